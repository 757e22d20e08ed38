"""How many threads a batch is computed with: as many as pay for themselves at its size, as it was measured.

Sharing out a small batch takes longer than computing it, and a core that a model does not need is worth more to those
around it. Each size (by powers of two) is tried with one thread and with all; all of them are used where that is
faster by a quarter at least. Only torch can be told between two calls; other libraries keep the number they started
with.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Callable, Dict, Iterator, List

_TRIES = 3
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
        fewest = min(tried, key=lambda one: one.times)
        if fewest.times < _TRIES:
            return fewest
        one, most = tried[0], tried[-1]
        return most if most.least * _WORTH <= one.least else one


class _Tried:
    """A number of threads at one size: how often it was tried, and the least seconds a row."""

    def __init__(self, threads: int) -> None:
        self.threads, self.times, self.least = threads, 0, float("inf")

    def observe(self, seconds: float) -> None:
        self.times += 1
        self.least = min(self.least, seconds)
