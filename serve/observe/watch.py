"""Tells all who watch of each request: as it begins, as its batch is answered, as it is over. Owned by the event loop.

There is a `Watch` only where somebody watches; what it costs is paid by nobody else.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from serve.access.gate import Gate
from serve.journey import Batched, Journey, Notes
from serve.observe.seen import LEFT, Answered, Asked, Seen

Pair = tuple[bytes, bytes]
Route = tuple[str, bool]  # its template, and whether it predicts

_READ = {name.encode(): name for name in ("accept", "content-type", "inference-header-content-length")}
_GONE = Answered(LEFT, "", 0, {})


class Watcher(Protocol):
    """One of them."""

    def wants(self, journey: Journey) -> bool:
        """Whether to be told of a request that begins; asked of each, so it must cost next to nothing."""

    def begin(self, journey: Journey, notes: Notes, asked: Asked) -> None:
        """A request begins that it wants."""

    def batched(self, batch: Batched) -> None:
        """The model has answered a batch."""

    def seen(self, seen: Seen) -> None:
        """It is over."""


class Watch:
    """`template` gives the route that a path fits, and whether it predicts; `gate` knows callers, if there is one.

    Bodies of at most `most_bytes` are kept for whoever records them.
    """

    def __init__(
        self,
        watchers: Sequence[Watcher],
        template: Callable[[bytes], Route],
        gate: Gate | None = None,
        most_bytes: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watchers, self._template, self._gate, self._clock = watchers, template, gate, clock
        self.most_bytes = most_bytes

    def begin(
        self, journey: Journey, method: bytes, target: bytes, headers: Sequence[Pair], route: Route | None = None
    ) -> None:
        """The head of a request was read; its `route` where that is known."""
        wanting = [one for one in self._watchers if one.wants(journey)]
        if not wanting:
            return
        path = target.partition(b"?")[0]
        template, predicts = route or self._template(path)
        grant = self._gate.grant(headers) if self._gate is not None else None
        kept = {_READ[name]: value.decode("latin-1") for name, value in headers if name in _READ}
        caller = grant.id if grant is not None else ""
        asked = Asked(method.decode("latin-1"), path.decode("latin-1"), template, caller, kept, predicts)
        journey.notes = notes = Notes(self, self._clock(), asked)
        notes.wanting = wanting
        for one in wanting:
            one.begin(journey, notes, asked)

    def end(self, journey: Journey, answered: Answered = _GONE) -> None:
        """It is over; without an answer where its caller left. Only the first time counts."""
        notes = journey.notes
        if notes is None:
            return
        journey.notes = None
        seen = Seen(journey, notes, notes.asked, answered, self._clock() - notes.began)
        for one in notes.wanting:
            one.seen(seen)

    def refused(self, journey: Journey, answered: Answered, target: bytes) -> None:
        """What came was no request that could be read to its end."""
        if journey.notes is None:
            self.begin(journey, b"", target, ())
        if journey.notes is not None:
            journey.notes.is_recorded = False
        self.end(journey, answered)

    def batched(self, batch: Batched) -> None:
        for one in self._watchers:
            one.batched(batch)
