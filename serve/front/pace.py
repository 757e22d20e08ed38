"""Whether something goes on as fast as it must: so many units within each so many seconds. Pure; time is an argument.

It is looked at now and then. What it counts in may be anything that grows, such as the bytes of a body that have come.
"""

from collections.abc import Hashable


class Pace:
    """Of one thing after another: `of` says which, and a new one begins when it is first looked at."""

    __slots__ = ("_come", "_of", "_since")

    def __init__(self) -> None:
        self._of: Hashable = None
        self._since, self._come = 0.0, 0

    def lags(self, of: Hashable, come: int, now: float, seconds: float, rate: float) -> bool:
        """Whether `of` had `seconds` since it began, or was last in time, and fewer than `rate` units came in each."""
        if of != self._of:
            self._of, self._since, self._come = of, now, come
            return False
        if now - self._since < seconds:
            return False
        if come - self._come < rate * (now - self._since):
            return True
        self._since, self._come = now, come
        return False
