"""The root of every error."""

from typing import ClassVar


class ServeError(Exception):
    """The root; never raised itself."""

    code: ClassVar[str] = "serve_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
