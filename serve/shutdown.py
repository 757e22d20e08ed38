"""The end of the server, as those who take part in it see it: begun by a signal, then closed, then over.

Once it has begun the server is not ready, and goes on taking requests for a while, so that whoever sends them can see
that. Once it is closed nobody is let in, and what was taken has so many seconds to be finished. One `Shutdown` a
server; the signal's handler and the event loop are of one thread.
"""

import asyncio
import math
import time
from collections.abc import Callable


class Shutdown:
    """Closed `delay_seconds` after it has begun; what is in hand then has `drain_seconds`."""

    def __init__(self, delay_seconds: float, drain_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.begun = False
        self.closed = asyncio.Event()
        self._delay, self._drain, self._clock = delay_seconds, drain_seconds, clock
        self._close_at = self._over_at = math.inf

    def begin(self) -> None:
        """The server is to stop."""
        self.begun, self._close_at = True, self._clock() + self._delay

    @property
    def due(self) -> bool:
        """Whether it is time to close."""
        return self._clock() >= self._close_at

    def close(self) -> None:
        """Nobody is let in any more."""
        if not self.closed.is_set():
            self.begun, self._over_at = True, self._clock() + self._drain
            self.closed.set()

    @property
    def left(self) -> float:
        """Seconds in which what was taken may be finished."""
        return max(0.0, min(self._over_at - self._clock(), self._drain))
