"""What a run of DVC may take: how long it may stand still, and how many bytes it may write. Kept by looking at it.

A remote may be slow, or stop in the middle, or hold more than was pinned. The kernel bounds each file (RLIMIT_FSIZE);
all files together, and the pace, are seen in what the kernel counts of each process (/proc/<pid>/io). What a socket
brought is counted once it is written to a file, which is what it was fetched for.
"""

import asyncio
import contextlib
import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

LEAST_BYTES_A_SECOND = 1024
_LOOK_SECONDS = 0.5
# What DVC writes besides: indexes of its own, which have an entry for each file, and logs.
MARGIN_BYTES, _MARGIN_BYTES_A_FILE = 16 * 2**20, 4096


@dataclass(frozen=True, slots=True)
class Bounds:
    """The longest standstill in seconds, the largest file, and all that is written; infinite where not bounded."""

    stall_seconds: float = math.inf
    file_bytes: float = math.inf
    written_bytes: float = math.inf
    told: Callable[[int], object] = field(default=int, compare=False)  # is told now and then how much is written by now


def of_pull(size: int, files: int, stall_seconds: float, told: Callable[[int], object] = int) -> Bounds:
    """For files of `size` bytes in all, each written twice: into the cache, and from there."""
    margin = MARGIN_BYTES + files * _MARGIN_BYTES_A_FILE
    return Bounds(stall_seconds, size + margin, 2 * size + size // 20 + margin, told)


class Pace:
    """Whether a count of bytes grows fast enough: a minimum a second, over any `stall_seconds`."""

    def __init__(self, stall_seconds: float, now: float) -> None:
        self._stall_seconds, self._since, self._bytes = stall_seconds, now, 0

    def stalled(self, now: float, moved: int) -> bool:
        """Whether it has been too slow for too long, where it is `moved` by now."""
        if moved - self._bytes >= LEAST_BYTES_A_SECOND * (now - self._since):
            self._since, self._bytes = now, moved
        return now - self._since >= self._stall_seconds


def limit_files(pid: int, bounds: Bounds) -> None:
    """Bound each file that a process just started may write; before it has come to write any."""
    if math.isfinite(bounds.file_bytes):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (int(bounds.file_bytes), int(bounds.file_bytes)))


async def overrun(pid: int, bounds: Bounds) -> str:
    """Why the process and its children must be stopped, as soon as they must; else it never returns."""
    counts = _Counts(pid)
    pace = Pace(bounds.stall_seconds, time.monotonic())
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        moved, written = await asyncio.to_thread(counts.look)  # it asks for every process there is
        bounds.told(written)
        if written > bounds.written_bytes:
            return f"wrote more than {bounds.written_bytes:.0f} bytes, which is more than what is pinned takes"
        if pace.stalled(time.monotonic(), moved):
            least = f"{LEAST_BYTES_A_SECOND} bytes a second for {bounds.stall_seconds:g} seconds"
            return f"neither read nor wrote {least} (PINION_ARTIFACT__STALL_SECONDS)"


class _Counts:
    """Bytes that a process and its children, gone or not, have read and written by now."""

    def __init__(self, pid: int) -> None:
        self._pid, self._seen = pid, dict[int, tuple[int, int]]()

    def look(self) -> tuple[int, int]:
        """(read and written, written)."""
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(self._pid)
            for one in (parent, *parent.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    counted = one.io_counters()
                    self._seen[one.pid] = (counted.read_chars, counted.write_chars)
        written = sum(written for _, written in self._seen.values())
        return sum(read for read, _ in self._seen.values()) + written, written
