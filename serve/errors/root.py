"""The root of every error."""

from collections.abc import Callable
from typing import Any, ClassVar


class ServeError(Exception):
    """The root; never raised itself."""

    code: ClassVar[str] = "serve_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Callable[..., "ServeError"], tuple[Any, ...]]:
        """As it is, without its trace, whatever it was made of: to be copied, and to cross to another process."""
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[ServeError], arguments: tuple[Any, ...], told: dict[str, Any]) -> ServeError:
    error = kind.__new__(kind, *arguments)
    vars(error).update(told)
    return error
