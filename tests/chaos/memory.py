"""A limit on memory that the kernel enforces: a control group of its own, for processes of a server under test."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import pytest

_ROOT = Path("/sys/fs/cgroup")
# Where groups lie and the file that limits one: of the first version, of the second.
_KINDS = ((_ROOT / "memory", "memory.limit_in_bytes"), (_ROOT, "memory.max"))


@contextlib.contextmanager
def limited(processes: Iterable[int], limit: int) -> Iterator[None]:
    """What these processes allocate from now on, and what they start, is `limit` bytes at most; past it they die.

    The test is skipped where this machine lets nobody make a control group.
    """
    group = _group(limit)
    try:
        for pid in processes:
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for member in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(member)
        group.rmdir()


def rss(pid: int) -> int:
    """Bytes of the process that are in memory."""
    return int(psutil.Process(pid).memory_info().rss)


def _group(limit: int) -> Path:
    for root, filename in _KINDS:
        group = root / f"pinion-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / filename).exists():
                (group / filename).write_text(str(limit))
                return group
            group.rmdir()
    pytest.skip("needs a control group to limit memory by, and may not make one here")
