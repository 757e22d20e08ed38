"""An answer that comes in chunks, between the worker that brings them and the caller who takes them.

Both are on the event loop. To take a chunk is to ask for the next, so the model is at most one ahead of its
caller. `over` is set once, with the outcome: "ok", "cancelled" (the caller left), or the code of the error that
ended it, here or on its way to the caller.
"""

import asyncio
import copy

from serve.child.wire import Value
from serve.errors import ServeError


class Chunks:
    """The caller iterates, and closes when it leaves; all else is the worker's side."""

    def __init__(self) -> None:
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.left = False
        self._outcome = "ok"
        self._chunk: Value | None = None
        self._error: ServeError | None = None
        self._changed = asyncio.Event()
        self._asked = asyncio.Event()

    def __aiter__(self) -> "Chunks":
        return self

    async def __anext__(self) -> Value:
        """The next chunk, or the error that ended the stream. Cancelling loses nothing."""
        await self._changed.wait()
        if self._chunk is None:
            raise copy.copy(self._error) or StopAsyncIteration  # a copy, for the reason that `Reply` has
        chunk, self._chunk = self._chunk, None
        if not self.over.done():
            self._changed.clear()
            self._asked.set()
        return chunk

    def close(self, outcome: str = "cancelled") -> None:
        """No more is wanted: the caller has left, or was told of an error of that code."""
        if not self.left:
            self.left, self._outcome = True, outcome
            self._asked.set()

    async def wanted(self) -> bool:
        """Wait until the caller has taken the last chunk (True) or has left (False)."""
        await self._asked.wait()
        self._asked.clear()
        return not self.left

    def bring(self, chunk: Value) -> None:
        """The next chunk, after `wanted`; the first without being asked."""
        self._chunk = chunk
        self._changed.set()

    def end(self, error: ServeError | None = None) -> None:
        """The last word, where none was said."""
        if not self.over.done():
            self._error = error
            self.over.set_result(error.code if error is not None and not self.left else self._outcome)
            self._changed.set()
