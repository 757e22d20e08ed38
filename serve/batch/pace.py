"""How fast the rows of a queue leave it, and so how long one that comes now would wait. No clock: numbers to numbers.

Measured while rows wait without a break, at the queue itself: so it holds whatever decides it, the model's seconds and
how many rows share a batch, the way to the workers and back, how many of these are there. Where a break ends, nothing
was seen yet, and what is known otherwise stands in. While nothing leaves, as where workers are restarted, rows are not
taken to be slower from then on: they wait for as long again, and then leave at the pace that was seen. So the time in
which a worker died counts for nothing once it is over.
"""

from collections.abc import Callable

_KEPT = 0.9  # of what was seen before, at each batch
_EXPECTED = 2  # batches: what was expected counts for as many that were seen


class Pace:
    """`expected()`: the seconds in which a row leaves, by what is known otherwise; 0 where nothing is."""

    def __init__(self, expected: Callable[[], float]) -> None:
        self._expected = expected
        self._seconds = self._rows = 0.0  # in which rows left, and how many
        self._last, self._since = 0, 0.0  # rows that left last, and when; 0 rows: nobody waited any more
        self._interrupted = False

    def left(self, rows: int, now: float, *, others_wait: bool) -> None:
        """So many rows left together."""
        if not self._last:
            each = self._expected()
            self._rows = _EXPECTED * rows if each else 0.0
            self._seconds = self._rows * each
        elif not self._interrupted:
            self._seconds = _KEPT * self._seconds + now - self._since
            self._rows = _KEPT * self._rows + self._last
        self._last, self._since, self._interrupted = (rows if others_wait else 0), now, False

    def interrupt(self) -> None:
        """A worker died or was stuck: how long that holds rows up says nothing of those that leave next."""
        self._interrupted = True

    def rest(self) -> None:
        """Nobody waits any more, and it was no batch that left last."""
        self._last = 0

    def wait(self, rows: int, now: float) -> float:
        """Seconds until so many rows will have left."""
        if not self._last:
            return rows * self._expected()
        seen = self._seconds / self._rows if self._rows else self._expected()
        return rows * seen + max(0.0, now - self._since - self._last * seen)  # held up so long, and perhaps again
