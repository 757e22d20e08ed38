"""A request on its way through the rooms: what it is called, and what they note of it where somebody watches.

Made at the door for every request, of what its caller says in `X-Request-Id`, or in W3C's `traceparent`; it goes with
the request to the worker and back. Log, answers and recordings call the request by its `id`. Owned by the event loop;
to a process aside goes the id alone.

Source of `traceparent`: https://www.w3.org/TR/trace-context/, version 00; of later ones the part that is as there.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

HEADER = "x-request-id"
PARENT = "traceparent"

_LONGEST = 128
_GIVEN = re.compile(rb"[\x21-\x7e]{1,%d}" % _LONGEST)
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_TRACE_BITS = 128
_random = random.getrandbits  # names need not be unguessable


class Parent(NamedTuple):
    """The caller's own span, and whether it is sampled."""

    trace: int
    span: int
    sampled: bool


class Watcher(Protocol):
    """Who watches requests, and records bodies of at most `most_bytes`."""

    @property
    def most_bytes(self) -> int: ...

    def batched(self, batch: "Batched") -> None:
        """A batch was answered that has requests in it which are watched."""


class Notes:
    """What is noted of a request that is watched; readings of `time.monotonic()`, 0 where it did not come so far.

    `lineage` names the model that is asked, `rows` are those of the request; it `arrived` in the queue, and was `sent`
    to the model and `answered` with its batch. Its body, `question`, is kept where the request `is_recorded`, and is
    not too long: then it is None. `asked`, `wanting`, `span` and `batch` are its watchers' own. A `refusal` is the
    status of one over gRPC.
    """

    __slots__ = (
        *("answered", "arrived", "asked", "batch", "began", "is_recorded", "lineage", "question"),
        *("refusal", "rows", "sent", "span", "trace_id", "wanting", "watcher"),
    )

    def __init__(self, watcher: Watcher, began: float, asked: Any = None) -> None:
        self.watcher, self.began, self.asked = watcher, began, asked
        self.lineage: tuple[tuple[str, str], ...] = ()
        self.rows = self.refusal = 0
        self.arrived = self.sent = self.answered = 0.0
        self.is_recorded = False
        self.question: bytes | None = b""
        self.trace_id = ""
        self.span: Any = None
        self.batch: Any = None
        self.wanting: Sequence[Any] = ()

    def keep(self, body: bytes) -> None:
        """More of the body, where it is recorded."""
        if self.is_recorded and self.question is not None:
            whole = self.question + body if self.question else body
            self.question = whole if len(whole) <= self.watcher.most_bytes else None


class Batched(NamedTuple):
    """A batch of `model`: of how many requests and rows, the notes of those that are watched, when it was sent and
    answered, and the seconds inside the model."""

    model: str
    requests: int
    rows: int
    notes: Sequence[Notes]
    sent: float
    answered: float
    seconds: float


class Journey:
    """One request's; `notes` are there where it is watched. Its `trace` is the number that the id is, where
    that was made here; else another or 0.
    """

    __slots__ = ("id", "notes", "parent", "trace")

    def __init__(self, id_: str, parent: Parent | None = None, trace: int = 0) -> None:
        self.id, self.parent, self.trace = id_, parent, trace
        self.notes: Notes | None = None

    def __reduce__(self) -> tuple[type["Journey"], tuple[str]]:
        return Journey, (self.id,)


def begin(headers: Mapping[bytes, bytes]) -> Journey:
    """That of a request with these headers, whose names are in lower case."""
    given, parent = headers.get(b"x-request-id"), headers.get(b"traceparent")
    if given is None and parent is None:
        trace = _random(_TRACE_BITS)
        return Journey("%032x" % trace, None, trace)  # noqa: UP031  # it is faster
    known = _parent(parent) if parent is not None else None
    if given is not None and _GIVEN.fullmatch(given):
        return Journey(given.decode("ascii"), known)
    return Journey(f"{known.trace:032x}", known) if known is not None else made()


def made() -> Journey:
    """One of a new id: as random as a trace's must be, in its form, and no secret."""
    return begin({})


def _parent(header: bytes) -> Parent | None:
    """The caller's span, or None where the header is none, which then counts for nothing."""
    found = _PARENT.fullmatch(header)
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return None
    trace, span, flags = int(found[2], 16), int(found[3], 16), int(found[4], 16)
    return Parent(trace, span, bool(flags & 1)) if trace and span else None
