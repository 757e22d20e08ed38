"""The slot that a request's answer goes into: a future whose listener hears at once, not in a later turn of the loop.

A prediction would pay asyncio's own for a callback's context and its place in the queue, which nobody needs here.
Owned by the event loop.
"""

import asyncio
import copy
from collections.abc import Callable, Generator
from typing import Any

import structlog

log = structlog.get_logger()

_NOTHING: Any = object()


class Reply:
    """Settled once, by a result, an error, or who waits for it and cancels; await it, or listen."""

    __slots__ = ("_error", "_listener", "_result")

    def __init__(self) -> None:
        self._result: Any = _NOTHING
        self._error: BaseException | None = None
        self._listener: Callable[[], None] | None = None

    def done(self) -> bool:
        return self._result is not _NOTHING or self._error is not None

    def cancelled(self) -> bool:
        return isinstance(self._error, asyncio.CancelledError)

    def result(self) -> Any:
        """What it was settled with; an error is raised, as a copy.

        A trace holds all it went through, such as a request's body, and whoever raised it may hold the reply: the
        error itself, with one, would keep all of that until the collector comes by.
        """
        if self._error is not None:
            raise copy.copy(self._error)
        if self._result is _NOTHING:
            raise asyncio.InvalidStateError("the reply is not there yet")
        return self._result

    def listen(self, listener: Callable[[], None]) -> None:
        """Have the one listener called when it is settled; at once where it is already."""
        if self._listener is not None:
            raise asyncio.InvalidStateError("a reply has one listener")
        self._listener = listener
        if self.done():
            self._tell()

    def set_result(self, result: Any) -> None:
        """Settle it, where nothing has."""
        if not self.done():
            self._result = result
            self._tell()

    def set_exception(self, error: BaseException) -> None:
        """Settle it with an error, where nothing has."""
        if not self.done():
            self._error = copy.copy(error)  # which has no trace
            self._tell()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.set_exception(asyncio.CancelledError())

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done():
            heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.listen(lambda: None if heard.done() else heard.set_result(None))
            try:
                yield from heard
            except asyncio.CancelledError:
                self.cancel()
                raise
        return self.result()

    def _tell(self) -> None:
        listener, self._listener = self._listener, None  # which often leads back here
        if listener is not None:
            try:
                listener()
            except Exception:  # who settles it has others to settle
                log.exception("a listener failed")
