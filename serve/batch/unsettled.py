"""The entries that were taken and have no answer yet: refused when they are late, and counted for who drains them.

Owned by the event loop. One timer serves all, however many wait.
"""

import asyncio
import time
from collections.abc import Iterator

from serve.batch.batcher import Entry
from serve.errors import DeadlineExceeded

_GRAIN_SECONDS = 0.01  # late entries are looked for no more often


class Unsettled:
    """Those of model `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._entries: dict[Entry, None] = {}
        self._emptied = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def add(self, entry: Entry) -> None:
        """From now on `entry` is refused with `DeadlineExceeded` at its deadline."""
        self._entries[entry] = None
        if self._alarm is None or entry.deadline < self._alarm_at - _GRAIN_SECONDS:
            self._set_alarm(entry.deadline)

    def discard(self, entry: Entry) -> None:
        """It is settled."""
        self._entries.pop(entry, None)
        if not self._entries:
            self._emptied.set()

    async def emptied(self) -> None:
        """Wait until there are none."""
        while self._entries:
            self._emptied.clear()
            await self._emptied.wait()

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self, at: float) -> None:
        self.close()
        self._alarm_at = at
        self._alarm = asyncio.get_running_loop().call_later(max(_GRAIN_SECONDS, at - time.monotonic()), self._look)

    def _look(self) -> None:
        self._alarm = None
        now = time.monotonic()
        waiting = [entry for entry in self._entries if not entry.reply.done()]
        for entry in waiting:
            if entry.deadline <= now:
                entry.refuse(DeadlineExceeded(self._name, entry.patience))
        left = [entry.deadline for entry in waiting if entry.deadline > now]
        if left:
            self._set_alarm(min(left))
