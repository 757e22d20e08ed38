"""Whether two sets of times can be told apart: Welch's t-test, without the slowest, which noise makes."""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, variance

_KEPT = 0.9


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of the same mean; the samples are so many that t is normal."""
    first, second = _quick(one), _quick(other)
    error = math.sqrt(variance(first) / len(first) + variance(second) / len(second))
    return 2 * (1 - NormalDist().cdf(abs(fmean(first) - fmean(second)) / error))


def _quick(times: Sequence[float]) -> list[float]:
    return sorted(times)[: int(len(times) * _KEPT)]
