"""Limits that the kernel enforces on processes of a server under test: a control group of its own for each."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import pytest

_ROOT = Path("/sys/fs/cgroup")
# Where groups lie and the file that limits one: of the first version, of the second.
_MEMORY = ((_ROOT / "memory", "memory.limit_in_bytes"), (_ROOT, "memory.max"))
_TASKS = ((_ROOT / "pids", "pids.max"), (_ROOT, "pids.max"))


def limited(processes: Iterable[int], limit: int) -> contextlib.AbstractContextManager[None]:
    """What these processes allocate from now on, and what they start, is `limit` bytes at most; past it they die.

    The test is skipped where this machine lets nobody make a control group.
    """
    return _grouped(processes, _MEMORY, limit)


def childless(processes: Iterable[int]) -> contextlib.AbstractContextManager[None]:
    """These processes may start no process and no thread; else as `limited`."""
    return _grouped(processes, _TASKS, 1)


def rss(pid: int) -> int:
    """Bytes of the process that are in memory."""
    return int(psutil.Process(pid).memory_info().rss)


@contextlib.contextmanager
def _grouped(processes: Iterable[int], kinds: Iterable[tuple[Path, str]], limit: int) -> Iterator[None]:
    group = _group(kinds, limit)
    try:
        for pid in processes:
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for member in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(member)
        group.rmdir()


def _group(kinds: Iterable[tuple[Path, str]], limit: int) -> Path:
    for root, filename in kinds:
        group = root / f"pinion-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / filename).exists():
                (group / filename).write_text(str(limit))
                return group
            group.rmdir()
    pytest.skip("needs a control group to set limits by, and may not make one here")
