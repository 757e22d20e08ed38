"""How a promotion tells of itself, on stderr: a spinner names the step as it begins, a line says what it found.

In a pipe only the lines are written. Where nobody takes them any more they are lost, and the promotion goes on: what
was committed is not undone by a pipe that is closed, nor called a failure.
"""

import contextlib
from types import TracebackType

from rich.console import Console

from promote.errors import plain


class Terminal(Console):
    """stderr, whose reader may leave."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False)

    def on_broken_pipe(self) -> None:
        """Rich would end the process."""
        self.quiet = True


class Progress:
    """One promotion's display. Use as a context."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def begins(self, doing: str) -> None:
        """What is being done from now on, as in 'downloading'."""
        self._status.update(f"{doing} …")

    def found(self, step: str, told: str) -> None:
        """What a step that is done has found."""
        with contextlib.suppress(OSError):
            self._console.print(f"{step:<11}{plain(told, 500)}", markup=False, soft_wrap=True)
