"""A line of the log for each request, in words that metrics and answers have too. No body, query or secret is in it.

Lines are written a few times a second, many at once: each for itself would cost more than a prediction does. Owned by
the event loop.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from serve import log
from serve.journey import Batched, Journey, Notes
from serve.observe.seen import Asked, Seen

_PAUSE_SECONDS = 0.05
_MOST_HELD = 512


class AccessLog:
    """Lines go to `write`, some at a time; `now` is in seconds since the epoch."""

    def __init__(
        self, write: Callable[[Sequence[dict[str, Any]]], None] = log.write_all, now: Callable[[], float] = time.time
    ) -> None:
        self._write, self._now = write, now
        self._held: list[dict[str, Any]] = []
        self._timer: asyncio.TimerHandle | None = None

    def wants(self, journey: Journey) -> bool:
        return True

    def begin(self, journey: Journey, notes: Notes, asked: Asked) -> None:
        """Nothing is written before it is over."""

    def batched(self, batch: Batched) -> None:
        """A request's own line has all there is."""

    def seen(self, seen: Seen) -> None:
        self._held.append(_line(seen, self._now()))
        if len(self._held) >= _MOST_HELD:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        if held:
            self._write(held)


def _line(seen: Seen, now: float) -> dict[str, Any]:
    """What is not known is not in it."""
    asked, lineage = seen.asked, seen.lineage
    told = {
        "caller": asked.caller,
        "model": lineage.get("x-model-name"),
        "revision": lineage.get("x-model-revision"),
        "rows": seen.notes.rows,
        "trace_id": seen.notes.trace_id,
    }
    return {
        "event": "request",
        "level": "info",
        "timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "request_id": seen.journey.id,
        "method": asked.method,
        "route": asked.route,
        "status": seen.answered.status,
        "bytes": seen.answered.size,
        "seconds": round(seen.seconds, 6),
        **{name: value for name, value in told.items() if value},
    }
