"""What a model prints → the log, a line each: all of a little, and of a flood no more than a log should take.

The pipe is read whatever comes, for a model that prints must not wait for us. Each line names the requests of the batch
that the model was at: the child marks where the output of another begins (`serve.child.marks`).
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog

log = structlog.get_logger()

_CHUNK_BYTES = 64 * 2**10
_AT_ONCE_BYTES = 256 * 2**10  # of what is logged,
_BYTES_A_SECOND = 4 * 2**10  # and so much more as time goes by
_LINE_BYTES = 256  # that a line takes in the log beside its text
_MARK = re.compile(rb"\x1e([0-9]{1,12})\x1e")
_BEGUN = re.compile(rb"\x1e[0-9]{0,12}\Z")  # a mark whose rest is to come


def _nobody(number: int) -> Mapping[str, Any]:
    return {}


class Output:
    """One of a process's two streams, `name`; `told` says whose the batch of a number is, as fields of the log."""

    def __init__(
        self,
        model: str,
        name: str,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[int], Mapping[str, Any]] = _nobody,
    ) -> None:
        self._model, self._name, self._clock, self._told = model, name, clock, told
        self._left, self._at = float(_AT_ONCE_BYTES), clock()
        self._dropped = 0
        self._number, self._begun = 0, b""

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
        for number, piece in self._pieces(printed):
            self._number = number
            self._tell(piece)

    def _pieces(self, printed: bytes) -> Iterator[tuple[int, bytes]]:
        """What was printed in each batch, with its number."""
        pieces = _MARK.split(self._begun + printed)
        begun = _BEGUN.search(pieces[-1])
        self._begun = begun[0] if begun is not None else b""
        pieces[-1] = pieces[-1].removesuffix(self._begun)
        numbers = [self._number, *map(int, pieces[1::2])]
        yield from zip(numbers, pieces[::2], strict=True)

    def _tell(self, printed: bytes) -> None:
        if self._left < _LINE_BYTES:
            self._dropped += len(printed)
            return
        if printed:
            self._tell_dropped()
        whose = self._told(self._number)
        beside = _LINE_BYTES + sum(map(len, whose.get("requests", ())))
        for line in printed.decode(errors="replace").splitlines():
            if self._left < beside:
                self._dropped += len(line)
            elif line.strip():
                shown = line[: int(self._left)]
                self._dropped += len(line) - len(shown)
                self._left -= len(shown) + beside
                log.info("model printed", model=self._model, stream=self._name, line=shown, **whose)

    def _tell_dropped(self) -> None:
        if self._dropped:
            log.warning("model printed too much", model=self._model, stream=self._name, dropped_bytes=self._dropped)
            self._dropped = 0
