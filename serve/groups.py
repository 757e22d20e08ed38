"""Linux control groups, of either version: the files of a process's group, and the cores and memory that it may use.

Formats: cgroups(7), and the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

import contextlib
import math
import os
from pathlib import Path

import psutil

GROUPS, PROCESSES = Path("/sys/fs/cgroup"), Path("/proc")


def file_of(pid: int | str, controller: str, first: str, second: str, groups: Path, processes: Path) -> Path | None:
    """The file of the group that a process is in, by its name in the first version of groups or in the second.

    In a container the group's path may be the host's, while its files are where the container sees the root.
    """
    with contextlib.suppress(OSError):
        for line in (processes / str(pid) / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for below in (path.lstrip("/"), ""):
                for wanted, file in (
                    (controller, groups / controller / below / first),
                    ("", groups / below / second),
                ):
                    if wanted in controllers.split(",") and file.exists():
                        return file
    return None


def cores(groups: Path = GROUPS, processes: Path = PROCESSES) -> int:
    """How many cores this process may use: those it may run on, or fewer where its group is granted the time of fewer.

    `os.cpu_count()` is the whole machine's, of which a container often has a small part.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    file = file_of("self", "cpu", "cpu.cfs_quota_us", "cpu.max", groups, processes)
    if file is None:
        return bound
    with contextlib.suppress(OSError, ValueError):
        quota, *period = file.read_text().split()
        period = period or [file.with_name("cpu.cfs_period_us").read_text()]
        if quota not in ("max", "-1"):
            return max(1, min(bound, math.ceil(int(quota) / int(period[0]))))
    return bound


def memory_bytes(groups: Path = GROUPS, processes: Path = PROCESSES) -> int:
    """Bytes of memory that this process and its children may use: the machine's, or what its group is granted."""
    machine = int(psutil.virtual_memory().total)
    file = file_of("self", "memory", "memory.limit_in_bytes", "memory.max", groups, processes)
    if file is None:
        return machine
    with contextlib.suppress(OSError, ValueError):  # of which "max" is one
        return min(machine, int(file.read_text()))
    return machine
