"""Whether callers leave while their requests are worked on: then the work is cancelled.

ASGI tells it only to who waits for it, in a task of its own. Most requests are answered before that is worth its
time, so the waiting begins with the second tick of a clock; who left before is noticed then.
"""

import asyncio

from starlette.types import Message, Receive

_TICK_SECONDS = 0.05


class Departures:
    """The callers of the requests that are being worked on."""

    def __init__(self, tick_seconds: float = _TICK_SECONDS) -> None:
        self._tick_seconds = tick_seconds
        self._new: dict[Departure, None] = {}  # since the last tick
        self._old: dict[Departure, None] = {}  # since the one before
        self._clock: asyncio.TimerHandle | None = None

    def watch(self, receive: Receive) -> "Departure":
        """The caller whose request the current task works on, watched until its `end`."""
        loop = asyncio.get_running_loop()
        if self._clock is None:
            self._clock = loop.call_later(self._tick_seconds, self._tick, loop)
        departure = Departure(receive, asyncio.current_task(loop), self)
        self._new[departure] = None
        return departure

    def forget(self, departure: "Departure") -> None:
        if self._new.pop(departure, self) is self:
            self._old.pop(departure, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        for departure in self._old:
            departure.wait()
        self._old, self._new = self._new, {}
        self._clock = loop.call_later(self._tick_seconds, self._tick, loop) if self._old else None


class Departure:
    """One caller; `gone` once it has left and `task` was cancelled for it."""

    __slots__ = ("_departures", "_over", "_receive", "_task", "_waiting", "gone")

    def __init__(self, receive: Receive, task: "asyncio.Task[None] | None", departures: Departures) -> None:
        self.gone = False
        self._receive, self._task, self._departures = receive, task, departures
        self._over = False
        self._waiting: asyncio.Future[Message] | None = None

    def wait(self) -> None:
        self._waiting = asyncio.ensure_future(self._receive())
        self._waiting.add_done_callback(self._left)

    def end(self) -> None:
        """The work is done: nothing of it is cancelled any more."""
        self._over = True
        self._departures.forget(self)
        if self._waiting is not None:
            self._waiting.cancel()

    def _left(self, _: "asyncio.Future[Message]") -> None:
        if not self._over and self._task is not None:
            self.gone = True
            self._task.cancel()
