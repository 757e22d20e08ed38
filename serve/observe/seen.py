"""A request as those who watch see it: as it begins, and once it is over. Plain data."""

from collections.abc import Mapping
from typing import NamedTuple

from serve.journey import Journey, Notes

LEFT = 499  # the status of who left before an answer, as nginx writes it in its log; it is never sent


class Asked(NamedTuple):
    """What is known as its head is read: `path` has no query, `route` is the template that it fits, or ''.

    `headers` are those that say how to read the body and the answer; `caller` is the id of a key or token, or ''.
    """

    method: str
    path: str
    route: str
    caller: str
    headers: Mapping[str, str]
    predicts: bool


class Answered(NamedTuple):
    """How it ended: so many bytes of an answer, which are there where they were asked for."""

    status: int
    content_type: str
    size: int
    headers: Mapping[str, str]
    body: bytes | None = None


class Seen(NamedTuple):
    """A request that is over, `seconds` after its head was read."""

    journey: Journey
    notes: Notes
    asked: Asked
    answered: Answered
    seconds: float

    @property
    def lineage(self) -> Mapping[str, str]:
        """The headers that name who answered; who was asked, where nobody did."""
        return self.answered.headers if "x-model-digest" in self.answered.headers else dict(self.notes.lineage)
