"""The cores and memory that a process may use, as its control group says, of either version."""

import os
from pathlib import Path

import psutil
import pytest

from serve.groups import cores, file_of, memory_bytes

BOUND = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
MACHINE = psutil.virtual_memory().total


def written(root: Path, **files: str) -> Path:
    for name, text in {"self/cgroup": "4:cpu,cpuacct:/pod\n0::/pod\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def first(quota: str, period: str = "100000", below: str = "pod/") -> dict[str, str]:
    return {f"cpu/{below}cpu.cfs_quota_us": f"{quota}\n", f"cpu/{below}cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ({}, BOUND),
        (first("-1"), BOUND),
        (first("50000"), 1),
        (first("100000"), 1),
        (first("100000", below=""), 1),  # in a container, whose group has the host's path
        (first("100000000"), BOUND),
        (first("no number"), BOUND),
        ({"pod/cpu.max": "max 100000\n"}, BOUND),
        ({"pod/cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"pod/cpu.max": f"{BOUND * 100000 - 50000} 100000\n"}, BOUND),  # part of a core is a core
        ({"pod/cpu.max": ""}, BOUND),
    ],
)
def test_a_process_may_use_the_cores_it_is_bound_to_and_no_more_than_its_group_is_granted(
    files: dict[str, str], granted: int, tmp_path: Path
) -> None:
    written(tmp_path, **files)
    assert cores(tmp_path, tmp_path) == granted


def test_without_groups_it_is_those_it_is_bound_to(tmp_path: Path) -> None:
    assert cores(tmp_path, tmp_path) == BOUND


def test_its_own_group_goes_before_the_root(tmp_path: Path) -> None:
    written(tmp_path, **first("1", below=""), **first("2"))
    found = file_of("self", "cpu", "cpu.cfs_quota_us", "cpu.max", tmp_path, tmp_path)
    assert found == tmp_path / "cpu" / "pod" / "cpu.cfs_quota_us"


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ({}, MACHINE),
        ({"memory/pod/memory.limit_in_bytes": "1048576\n", "self/cgroup": "4:memory:/pod\n0::/pod\n"}, 2**20),
        ({"pod/memory.max": "2097152\n"}, 2**21),
        ({"memory.max": "2097152\n"}, 2**21),  # in a container, whose group has the host's path
        ({"pod/memory.max": "max\n"}, MACHINE),
        ({"pod/memory.max": f"{2**62}\n"}, MACHINE),  # as the first version writes that there is no limit
    ],
)
def test_memory_is_what_the_group_is_granted_and_no_more_than_the_machine_has(
    files: dict[str, str], granted: int, tmp_path: Path
) -> None:
    written(tmp_path, **files)
    assert memory_bytes(tmp_path, tmp_path) == granted
