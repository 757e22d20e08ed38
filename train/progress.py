"""Progress bars: the loop's events pass through unchanged, and a bar follows them.

Drawn on stderr, and only on a terminal; in a pipe nothing is written. Owns the one rich display.
"""

from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from train.loop import Epoch, Event, Step


class Bars:
    """A display for one run, or for the trials of a sweep one after the other. Use as a context."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def add(self, name: str, total: int) -> TaskID:
        """A bar of `total` steps."""
        return self._progress.add_task(name, total=total, said="")

    def advance(self, bar: TaskID, said: str) -> None:
        """One step further, with a word about how it stands."""
        self._progress.update(bar, advance=1, said=said)

    def follow(self, name: str, events: Iterator[Event], total: int) -> Iterator[Event]:
        """Yield the events of one training, moving its bar at each step; the bar leaves with the last."""
        bar = self.add(name, total)
        accuracy = ""
        try:
            for event in events:
                match event:
                    case Step(loss=loss):
                        self.advance(bar, f"loss {loss:.4f}{accuracy}")
                    case Epoch(validation=validation):
                        accuracy = f"  val_accuracy {validation.accuracy:.4f}"
                yield event
        finally:
            self._progress.remove_task(bar)
