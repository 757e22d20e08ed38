"""How many threads a batch is computed with: as many as pay for themselves at its size, as it was measured.

Sharing out a small batch takes longer than computing it, and a core that a model does not need is worth more to those
around it. Each size (by powers of two) is tried with one thread and with all; all of them are used where that is
faster by a quarter at least. What is not used is tried again from time to time: one disturbed measurement must not
settle it for ever. Only torch can be told between two calls; other libraries keep the number they started with.
"""

from __future__ import annotations

import collections
import contextlib
import time
from typing import Any, Callable, Deque, Dict, Iterator, List

_TRIES = 3
_AGAIN_AFTER = 64  # batches of a size
_WORTH = 1.25


class Took:
    """The `seconds` that a batch took, once it is done."""

    seconds = 0.0


class Threads:
    """One thread or `most`, as set by `use`."""

    def __init__(self, most: int, use: Callable[[int], None], clock: Callable[[], float] = time.perf_counter) -> None:
        self._choices = sorted({1, most})
        self._use, self._clock = use, clock
        self._used = most
        self._sizes: Dict[int, List[_Tried]] = {}

    @classmethod
    def of(cls, torch: Any) -> Threads:
        """Those of the module torch; None where the model did not bring it."""
        if torch is None:
            return cls(1, lambda _: None)
        return cls(torch.get_num_threads(), torch.set_num_threads)

    @contextlib.contextmanager
    def sharing(self, rows: int) -> Iterator[Took]:
        """Compute a batch of `rows` rows in the block."""
        tried = self._chosen(rows)
        if tried.threads != self._used:
            self._use(tried.threads)
            self._used = tried.threads
        took, began = Took(), self._clock()
        yield took
        took.seconds = self._clock() - began
        tried.observe(took.seconds / max(1, rows))

    def _chosen(self, rows: int) -> _Tried:
        size = max(0, rows - 1).bit_length()
        tried = self._sizes.get(size)
        if tried is None:
            tried = self._sizes[size] = [_Tried(threads) for threads in self._choices]
        for one in tried:
            if len(one.recent) < _TRIES or one.unused >= _AGAIN_AFTER:
                return self._taken(one, tried)
        one, most = tried[0], tried[-1]
        return self._taken(most if most.least * _WORTH <= one.least else one, tried)

    @staticmethod
    def _taken(chosen: _Tried, tried: List[_Tried]) -> _Tried:
        for one in tried:
            one.unused = 0 if one is chosen else one.unused + 1
        return chosen


class _Tried:
    """A number of threads at one size: the seconds a row of the last tries, and how many batches ago they were."""

    def __init__(self, threads: int) -> None:
        self.threads, self.unused = threads, 0
        self.recent: Deque[float] = collections.deque(maxlen=_TRIES)

    @property
    def least(self) -> float:
        return min(self.recent)

    def observe(self, seconds: float) -> None:
        self.recent.append(seconds)
