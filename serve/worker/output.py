"""What a model prints → the log, a line each: all of a little, and of a flood no more than a log should take.

The pipe is read whatever comes, for a model that prints must not wait for us.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_CHUNK_BYTES = 64 * 2**10
_AT_ONCE_BYTES = 256 * 2**10  # of what is logged,
_BYTES_A_SECOND = 4 * 2**10  # and so much more as time goes by
_LINE_BYTES = 256  # that a line takes in the log beside its text


class Output:
    """One of a process's two streams, `name`."""

    def __init__(self, model: str, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._model, self._name, self._clock = model, name, clock
        self._left, self._at = float(_AT_ONCE_BYTES), clock()
        self._dropped = 0

    async def relay(self, stream: asyncio.StreamReader) -> None:
        """Log what comes until there is no more."""
        while printed := await stream.read(_CHUNK_BYTES):
            self.tell(printed)
        self._tell_dropped()

    def tell(self, printed: bytes) -> None:
        """Log its lines, as far as may be; the rest is counted."""
        now = self._clock()
        self._left = min(self._left + (now - self._at) * _BYTES_A_SECOND, _AT_ONCE_BYTES)
        self._at = now
        if self._left < _LINE_BYTES:
            self._dropped += len(printed)
            return
        self._tell_dropped()
        for line in printed.decode(errors="replace").splitlines():
            if self._left < _LINE_BYTES:
                self._dropped += len(line)
            elif line.strip():
                shown = line[: int(self._left)]
                self._dropped += len(line) - len(shown)
                self._left -= len(shown) + _LINE_BYTES
                log.info("model printed", model=self._model, stream=self._name, line=shown)

    def _tell_dropped(self) -> None:
        if self._dropped:
            log.warning("model printed too much", model=self._model, stream=self._name, dropped_bytes=self._dropped)
            self._dropped = 0
