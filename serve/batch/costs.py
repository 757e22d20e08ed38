"""What batches cost by their size, from when one is sent to when it is answered, and what follows from that.

Sizes are kept by powers of two: what is known of 8 rows comes from batches of 5 to 8. Each measurement moves the
estimate a part of the way, so that it follows the model. What was not measured for long is forgotten, and so is
tried again: one disturbed measurement must not settle it for ever.
"""

from dataclasses import dataclass

_SLOWER, _FASTER = 0.05, 0.5  # what disturbs a measurement makes it longer, never shorter
_MOST_TIMES_SLOWER = 2  # than known is one measurement taken for: a pause of the machine says nothing of the model
_AS_GOOD = 1.06  # within a few hundredths no measurement tells two sizes apart: the smaller answers sooner
_ENOUGH_TIMES = 5
_FORGOTTEN_AFTER = 200  # batches


@dataclass(slots=True)
class _Size:
    rows: float
    seconds: float
    at: int
    times: int = 1

    @property
    def each(self) -> float:
        return self.seconds / self.rows

    def move(self, rows: int, seconds: float) -> None:
        weight = _FASTER if seconds / rows < self.each else _SLOWER
        seconds = min(seconds, _MOST_TIMES_SLOWER * rows * self.each) if self.seconds else seconds
        self.rows += weight * (rows - self.rows)
        self.seconds += weight * (seconds - self.seconds)
        self.times += 1


class Costs:
    """Seconds by rows, of one model."""

    def __init__(self) -> None:
        self._sizes: dict[int, _Size] = {}
        self._observed = 0
        self._knee: int | None = None

    def observe(self, rows: int, seconds: float) -> None:
        """A batch of `rows` rows took the model that long."""
        self._observed += 1
        size = 1 << max(0, rows - 1).bit_length()
        known = self._sizes.get(size)
        if known is None:
            self._sizes[size] = _Size(rows, seconds, self._observed)
        else:
            known.move(rows, seconds)
            known.at = self._observed
        largest = max(self._sizes)
        if largest > size and self._observed - self._sizes[largest].at > _FORGOTTEN_AFTER:
            del self._sizes[largest]

        least = min([one.each for one in self._sizes.values()])
        self._knee = min([size for size, one in self._sizes.items() if one.each <= least * _AS_GOOD])

    def knee(self) -> int | None:
        """The smallest size whose rows cost about as little as they can; None before anything is known."""
        return self._knee

    def each(self) -> float:
        """Seconds a row, where rows cost as little as they can; 0 before anything is known."""
        return self._sizes[self._knee].each if self._knee is not None else 0.0

    def untried(self) -> int | None:
        """The size beyond the knee, where it was not measured often enough to tell whether it is better."""
        knee = self.knee()
        if knee is None:
            return None
        beyond = self._sizes.get(2 * knee)
        return 2 * knee if beyond is None or beyond.times < _ENOUGH_TIMES else None

    def within(self, seconds: float) -> int:
        """The largest size known to take no longer than `seconds`; at least 1."""
        return max((size for size, one in self._sizes.items() if one.seconds <= seconds), default=1)

    def fixed(self) -> float:
        """Seconds that any batch takes, however few its rows: what joining two of them saves."""
        knee = self.knee()
        if knee is None or knee == min(self._sizes):
            return 0.0
        least, best = self._sizes[min(self._sizes)], self._sizes[knee]
        a_row = (best.seconds - least.seconds) / (best.rows - least.rows)
        return max(0.0, least.seconds - least.rows * a_row)
