"""How a promotion tells of itself, on stderr: a spinner names the step as it begins, a line says what it found.

In a pipe only the lines are written.
"""

from types import TracebackType

from rich.console import Console

from promote.errors import plain


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
        self._console.print(f"{step:<11}{plain(told, 500)}", markup=False, soft_wrap=True)
