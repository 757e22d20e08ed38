"""Rows D-12 and D-14: the state folder while releases come and go, and where its disk is full."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from serve.artifact import pin
from tests.chaos.conftest import MIB, SETTINGS
from tests.chaos.load import Load
from tests.chaos.residue import no_residue
from tests.chaos.test_process_death import forget_all_but_live
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.e2e.test_switches import Releases, becomes, told
from tests.forms import forms

KEEP_NONE = {"artifact__keep_releases": 0, "rollout__hold_seconds": 0}
DISK_BYTES = 4 * MIB


@forms(2, 100)
async def test_d12_what_is_collected_while_releases_come_back_is_never_missed(
    repository: Repository, tmp_path: Path, times: int
) -> None:
    """Three releases, of which none is kept but what is live or leaving: by two servers, that share a state folder."""
    pinned, state = repository.folder / "models.dvc", repository.state
    pins = [pinned.read_bytes()]
    async with AsyncExitStack() as opened:
        servers = [opened.enter_context(Server(repository.folder, state, **KEEP_NONE)).ready() for _ in range(2)]
        await Releases(repository, state, tmp_path).another(1)
        pins.append(pinned.read_bytes())
        repository.checkout(0)
        pins.append(pinned.read_bytes())
        for server in servers:
            assert await becomes(lambda server=server: told(server)["live"] == {"oracle": digest(pins[-1])})
        loads = [await opened.enter_async_context(Load(server.url, rate=20)) for server in servers]
        for at in range(times):  # in a round: each is asked for as what is left of it is being removed
            lives = [server.count("release live") for server in servers]
            pinned.write_bytes(pins[at % len(pins)])
            for server, count in zip(servers, lives, strict=True):
                await server.seen("release live", count=count + 1)
        for load in loads:
            await load.ended(0.0)
            load.require_nothing_lost()
    for server in servers:
        assert server.count("rollout failed") == server.count("collection failed unexpectedly") == 0
        assert "No such file" not in json.dumps(server.events)
    assert sum(server.count("removed") for server in servers) > 0


def digest(pinned: bytes) -> str:
    return pin.read(pinned).models[0].digest


@pytest.fixture
def small_disk(repository: Repository, tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, with the state folder of `repository` on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs a small file system, and may not mount one here: {mounted.stderr.strip()}")
    try:
        (disk / "state").mkdir()
        (disk / "state" / "environments").symlink_to(repository.state / "environments")
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@forms(1, 10)
async def test_d14_on_a_full_disk_a_switch_is_refused_and_made_once_there_is_room(
    repository: Repository, small_disk: Path, times: int
) -> None:
    state = small_disk / "state"
    settings = {**SETTINGS, **KEEP_NONE, "rollout__first_retry_seconds": 0.5, "rollout__longest_retry_seconds": 1.0}
    with Server(repository.folder, state, **settings).ready() as server:
        here = Repository(repository.folder, repository.revisions, state)
        for time in range(times):
            forget_all_but_live(here, server)
            lives, failures = server.count("release live"), server.count("rollout failed")
            async with Load(server.url, rate=20, only=3.0 - time % 2) as load:
                with full(small_disk), no_residue(server):
                    repository.checkout(time % 2)
                    await server.seen("rollout failed", count=failures + 1)
                    assert "No space left" in told(server)["failure"]["message"]
                    assert server.get("/health/ready").status_code == 200
                    assert server.count("release live") == lives
                    await load.until(answered=5)
                load.only = None
                await server.seen("release live", count=lives + 1)
                load.only = 2.0 + time % 2
                await load.until(answered=5)
            load.require_nothing_lost()
            assert told(server)["failure"] is None
        assert server.count("rollout failed unexpectedly") == 0


def test_d14_on_a_full_disk_a_server_starts_with_the_release_that_is_there(
    repository: Repository, small_disk: Path
) -> None:
    with Server(repository.folder, small_disk / "state").ready() as server:
        assert server.stop() == 0
    with full(small_disk), Server(repository.folder, small_disk / "state").ready() as server:
        assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is left on the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            assert shutil.disk_usage(disk).free == 0
    try:
        yield
    finally:
        filler.unlink()
