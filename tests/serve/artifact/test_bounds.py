"""Rows A-3 and A-19: how slow a pull may be, and how much it may write."""

import asyncio
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serve.artifact import bounds
from serve.artifact.bounds import Bounds, Pace
from tests.forms import within

MIB = 2**20


def test_a3_what_keeps_the_least_pace_never_stalls() -> None:
    pace = Pace(30.0, now=0.0)
    assert not any(pace.stalled(float(second), second * 1024) for second in range(3600))


def test_a3_what_is_below_the_least_pace_for_thirty_seconds_has_stalled() -> None:
    pace = Pace(30.0, now=0.0)
    assert next(second for second in range(60) if pace.stalled(float(second), second * 1000)) == 30


def test_a3_what_comes_in_bursts_has_not_stalled() -> None:
    pace = Pace(30.0, now=0.0)
    assert not any(pace.stalled(float(second), second // 25 * 25 * 1024 * 2) for second in range(600))


def test_a3_what_stops_in_the_middle_has_stalled_thirty_seconds_later() -> None:
    pace = Pace(30.0, now=0.0)
    assert next(second for second in range(90) if pace.stalled(float(second), min(second, 20) * MIB)) == 50


@contextmanager
def started(code: str) -> Iterator[int]:
    """A Python process that runs this code → its pid."""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


async def test_a3_a_process_that_does_nothing_is_found_out() -> None:
    began = time.monotonic()
    with started("import time; time.sleep(60)") as pid:
        async with asyncio.timeout(60):
            assert "neither read nor wrote" in await bounds.overrun(pid, Bounds(stall_seconds=1.5))
    assert 1.5 <= time.monotonic() - began < 1.5 + within(2.0)


@pytest.mark.parametrize("child", [False, True], ids=["itself", "by a child"])
async def test_a19_a_process_that_writes_too_much_is_found_out(child: bool) -> None:
    write = "with open('/dev/null', 'wb') as file:\n for _ in range(64): file.write(bytes(2**20))"
    code = f"import time\n{write}\ntime.sleep(60)"
    if child:
        code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    with started(code) as pid:
        async with asyncio.timeout(60):
            assert "wrote more than 33554432 bytes" in await bounds.overrun(pid, Bounds(written_bytes=32 * MIB))


async def test_what_stays_within_its_bounds_is_left_alone() -> None:
    with started("import time; time.sleep(60)") as pid, pytest.raises(TimeoutError):
        async with asyncio.timeout(1.2):
            await bounds.overrun(pid, Bounds(stall_seconds=60.0, written_bytes=MIB))


def test_a19_the_kernel_bounds_each_file(tmp_path: Path) -> None:
    code = "import sys\nsys.stdin.readline()\nopen(sys.argv[1], 'wb').write(bytes(2**20))"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "large")], stdin=-1, stderr=-1, text=True)
    with process:
        bounds.limit_files(process.pid, Bounds(file_bytes=MIB / 2))
        _, told = process.communicate("\n")
    assert "File too large" in told


def test_a_process_that_has_ended_needs_no_bounds() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        bounds.limit_files(process.pid, Bounds(file_bytes=1))


def test_a19_a_pull_may_write_what_is_pinned_twice_and_little_more() -> None:
    found = bounds.of_pull(10**9, 100, 30.0)
    assert 10**9 < found.file_bytes < 10**9 + 20 * MIB
    assert 2 * 10**9 < found.written_bytes < 2.05 * 10**9 + 20 * MIB
    assert math.isinf(Bounds().written_bytes)
