"""Whether a caller leaves while its request is worked on: then the work is cancelled.

ASGI tells it only to who waits for it, in a task of its own. Most requests are answered before that is worth its
time, so the waiting begins after a while; who left before is noticed then.
"""

import asyncio

from starlette.types import Message, Receive

_SOON_SECONDS = 0.1


class Departure:
    """Of the caller whose request the current task works on. `gone` once it has left; watched until `end`."""

    def __init__(self, receive: Receive, after_seconds: float = _SOON_SECONDS) -> None:
        self.gone = False
        self._receive, self._over = receive, False
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        self._waiting: asyncio.Future[Message] | None = None
        self._timer = loop.call_later(after_seconds, self._wait)

    def end(self) -> None:
        """The work is done: nothing of it is cancelled any more."""
        self._over = True
        self._timer.cancel()
        if self._waiting is not None:
            self._waiting.cancel()

    def _wait(self) -> None:
        self._waiting = asyncio.ensure_future(self._receive())
        self._waiting.add_done_callback(self._left)

    def _left(self, _: asyncio.Future[Message]) -> None:
        if not self._over and self._task is not None:
            self.gone = True
            self._task.cancel()
