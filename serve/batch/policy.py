"""How many waiting entries make the next batch, and whether to wait for more. No I/O, no clock: numbers to numbers.

A worker that is free takes what waits at that moment, so batches grow exactly while the model is busy, and a lone
caller never waits. Two things are measured, not guessed: the size from which on rows get no cheaper (no batch is
larger), and the seconds that any batch costs however small. That long, and no longer, it may pay to wait for the
callers who were just answered, and 50 ms at most: a batch that they join saves one of their own.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from serve.batch.costs import Costs

_WORTH_SECONDS = 0.0005  # a timer is no more exact than a millisecond
_MOST_SECONDS = 0.05  # who asks again at once has by then; a slow model's callers need not wait for others any longer


class Sized(Protocol):
    """What the policy sees of a waiting entry."""

    @property
    def rows(self) -> int: ...
    @property
    def group(self) -> Hashable: ...
    @property
    def alone(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """`max_rows` and `max_seconds` bound a batch whatever was measured; not `batchable`: one entry each.

    A single request larger than that still goes, alone.
    """

    max_rows: int
    batchable: bool = True
    max_seconds: float | None = None
    costs: Costs = field(default_factory=Costs, compare=False)

    def count(self, waiting: Iterable[Sized]) -> int:
        """How many entries from the front of `waiting` to take: same group, within the row limit.

        An entry that was in a batch whose worker died or was stuck is `alone`, so that it can harm only itself.
        """
        limit = self.limit()
        taken, rows, first = 0, 0, None
        for entry in waiting:
            rows += entry.rows
            if first is None:
                first = entry
            elif rows > limit or not self._joins(first, entry):
                break
            taken += 1
        return taken

    def limit(self) -> int:
        """The most rows of the next batch: up to the knee, and a size beyond where that is not known yet."""
        knee = self.costs.knee()
        if knee is None:
            return self.max_rows
        most = self.costs.untried() or knee
        if self.max_seconds is not None:
            most = min(most, self.costs.within(self.max_seconds))
        return min(most, self.max_rows)

    def wanted(self, waiting: int, returning: int) -> int:
        """How many rows to wait for, where `waiting` are there and `returning` may come back; `waiting` for none."""
        if not self.batchable or returning <= 0:
            return waiting
        return max(waiting, min(waiting + returning, self.limit(), self.costs.knee() or waiting))

    def patience(self) -> float:
        """For how many seconds; 0 where that is too short to be waited for."""
        fixed = self.costs.fixed()
        return min(fixed, _MOST_SECONDS) if fixed >= _WORTH_SECONDS else 0.0

    def _joins(self, first: Sized, entry: Sized) -> bool:
        return self.batchable and first.group == entry.group and not (first.alone or entry.alone)
