"""Rows A-11 to A-13 and A-25: a pull whose disk is full, that is killed, or that is not alone."""

import asyncio
import contextlib
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serve.artifact import dvc, fetch, pin
from tests.forms import forms
from tests.pulls.pinned import LARGE_BYTES, PATIENT, Pinned, failure, tree


@contextlib.contextmanager
def small_disk(at: Path, size: int) -> Iterator[None]:
    at.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs a small file system, and may not mount one here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)


async def test_a11_a_disk_that_is_full_is_told_and_left_as_it_was(pinned: Pinned) -> None:
    """The cache's disk has room for 60 % of what is pinned, and then for all of it."""
    with small_disk(pinned.cache, int(0.6 * LARGE_BYTES)):
        before = shutil.disk_usage(pinned.cache).free
        assert await failure(pinned) == "the machine refused what this takes: No space left on device (dvc pull)"
        assert before - shutil.disk_usage(pinned.cache).free < 32 * 1024  # the small objects, which are whole
        assert pinned.wrong() == []
        grow(pinned.cache)
        assert await fetch.fetch(pinned.store(), pinned.pin, PATIENT)


@forms(1, 20)
async def test_a12_a_pull_that_is_killed_at_any_moment_is_made_up_for_by_the_next(pinned: Pinned, times: int) -> None:
    chosen = random.Random(times)
    for at in range(times):
        shutil.rmtree(pinned.cache, ignore_errors=True)
        state = f"state-{at}"
        pulling = asyncio.create_task(fetch.fetch(pinned.store(state), pinned.pin, PATIENT))
        running = await asyncio.to_thread(pulls)
        await asyncio.sleep(chosen.uniform(0.0, 1.0))  # somewhere in what it does
        for one in running:
            if one.is_running():
                one.kill()
        await asyncio.gather(pulling, return_exceptions=True)
        if not pinned.complete(state):
            assert await fetch.fetch(pinned.store(state), pinned.pin, PATIENT)
        assert pinned.complete(state)
        assert pinned.wrong() == []


def pulls() -> list[psutil.Process]:
    """The `dvc pull` that runs, once one does."""
    found: list[psutil.Process] = []
    while not found:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = [one for one in psutil.Process().children() if {dvc.PROGRAM, "pull"} <= {*one.cmdline()}]
    return found


@forms(1, 10)
async def test_a13_pulls_at_the_same_time_are_in_nobodys_way(pinned: Pinned, times: int) -> None:
    """Two servers that share a cache, and someone who runs `dvc pull` by hand."""
    (pinned.repo / "models.dvc").write_bytes(pin.write(pinned.pin))
    for at in range(times):
        shutil.rmtree(pinned.cache, ignore_errors=True)
        shutil.rmtree(pinned.repo / "models", ignore_errors=True)
        by_hand = dvc.run(dvc.Scratch(pinned.repo, Path()), "pull", timeout_seconds=120)
        servers = [fetch.fetch(pinned.store(f"{name}-{at}"), pinned.pin, PATIENT) for name in "ab"]
        await asyncio.gather(by_hand, *servers)
        assert pinned.complete(f"a-{at}")
        assert pinned.complete(f"b-{at}")
        assert pinned.wrong() == []


FETCH = """
import asyncio, sys
from pathlib import Path
from serve.artifact import fetch, pin
from serve.artifact.fetch import PullLimits, Store
repo, state = map(Path, sys.argv[1:3])
asyncio.run(fetch.fetch(Store(repo, state), pin.read((repo / "models.dvc").read_bytes()), PullLimits(120.0)))
"""


def fetching(pinned: Pinned, state: str, *before: str) -> list[str]:
    (pinned.repo / "models.dvc").write_bytes(pin.write(pinned.pin))
    return [*before, sys.executable, "-c", FETCH, str(pinned.repo), str(pinned.root / state)]


@forms(1, 30)
def test_a25_killed_at_any_moment_a_snapshot_is_whole_or_absent(pinned: Pinned, times: int) -> None:
    chosen, took = random.Random(times), 3.0
    for at in range(times):
        state = f"state-{at}"
        with subprocess.Popen(fetching(pinned, state), start_new_session=True, stderr=subprocess.DEVNULL) as process:
            time.sleep(chosen.uniform(0.3, took))  # somewhere in what it does
            process.kill()
        whole = pinned.complete(state)
        if not whole:
            subprocess.run(fetching(pinned, state), check=True, capture_output=True)
        assert pinned.complete(state)


FREEZE = (
    "import sys; from pathlib import Path; from serve.artifact.fetch import freeze; freeze(*map(Path, sys.argv[1:]))"
)


@pytest.mark.parametrize(
    ("call", "there"), [(1, False), (3, False), (4, True)], ids=["a file", "the last", "the folder"]
)
def test_a25_where_the_disk_can_not_be_written_through_a_snapshot_is_whole_or_absent(
    tmp_path: Path, call: int, there: bool
) -> None:
    """The name comes after the bytes: of the calls of fsync, only the last may fail with the snapshot in its place."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    tree(tmp_path / "work", {"a": b"1", "b/c": b"2", "b/d": b"3"})
    inject = ("strace", "-f", "-o", "/dev/null", "-e", "trace=fsync", "-e", f"inject=fsync:error=EIO:when={call}")
    command = [*inject, sys.executable, "-c", FREEZE, str(tmp_path / "work"), str(tmp_path / "snapshots" / "one")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Input/output error" in done.stderr
    found = {str(one.relative_to(tmp_path)) for one in (tmp_path / "snapshots").rglob("*") if one.is_file()}
    assert found == ({"snapshots/one/a", "snapshots/one/b/c", "snapshots/one/b/d"} if there else set())
