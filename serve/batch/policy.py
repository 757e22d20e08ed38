"""How many waiting entries make the next batch. Pure: sizes in, a count out.

There is no timer: a worker that is free takes what waits at that moment, so batches grow exactly while the
model is busy, and a lone caller never waits.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol


class Sized(Protocol):
    """What the policy sees of a waiting entry."""

    @property
    def rows(self) -> int: ...
    @property
    def group(self) -> Hashable: ...
    @property
    def attempts(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """`max_rows` bounds a batch (a single larger request still goes, alone); not `batchable`: one entry each."""

    max_rows: int
    batchable: bool = True

    def count(self, waiting: Iterable[Sized]) -> int:
        """How many entries from the front of `waiting` to take: same group, within the row limit.

        An entry that was in a batch whose worker died is taken alone, so that it can harm only itself.
        """
        taken, rows, first = 0, 0, None
        for entry in waiting:
            if first is None:
                first = entry
            elif not self._joins(first, entry) or rows + entry.rows > self.max_rows:
                break
            taken += 1
            rows += entry.rows
        return taken

    def _joins(self, first: Sized, entry: Sized) -> bool:
        return self.batchable and first.group == entry.group and not (first.attempts or entry.attempts)
