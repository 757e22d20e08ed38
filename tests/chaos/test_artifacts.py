"""Rows A-1, A-15 to A-17, A-23, A-26 and A-27 on the real command: what comes from git and the remote is no friend."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serve.artifact import pin
from tests.chaos.conftest import copied, with_its_own_environments
from tests.chaos.load import Load
from tests.chaos.residue import eventually
from tests.chaos.test_process_death import forget_all_but_live
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import TIMED, forms, within
from tests.pulls.remotes import over_http

EAGER = {"rollout__watch_interval_seconds": 0.05, "rollout__first_retry_seconds": 0.2}


class Serving:
    """A server at promotion 1 that outlives a test, and the two pins it may be told to serve."""

    def __init__(self, repository: Repository, server: Server) -> None:
        self.repository, self.server = repository, server
        self.pins = [self._at(promotion) for promotion in (0, 1)]

    @property
    def pinned(self) -> Path:
        return self.repository.folder / "models.dvc"

    def write(self, data: bytes) -> None:
        """What models.dvc says, in one step."""
        new = self.pinned.with_suffix(".new")
        new.write_bytes(data)
        new.replace(self.pinned)

    def goes_live(self, promotion: int) -> None:
        """It serves this one once it is pinned, and nothing has failed."""
        self.write(self.pins[promotion])
        wanted = {"oracle": pin.read(self.pins[promotion]).models[0].digest}
        assert eventually(lambda: self._told() == (wanted, wanted, None), 60.0), self._told()

    def _told(self) -> tuple[Any, Any, Any]:
        told = self.server.get("/models").json()
        return told["live"], told["desired"], told["failure"]

    def _at(self, promotion: int) -> bytes:
        told = self.repository.git("show", f"{self.repository.revisions[promotion]}:models.dvc")
        return told.encode() + b"\n"


@pytest.fixture(scope="module")
def serving(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    repository = copied(promoted, tmp_path_factory.mktemp("serving"))
    with Server(repository.folder, repository.state, **EAGER, rollout__hold_seconds=600).ready() as server:
        yield Serving(repository, server)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somewhere that nobody is to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.setblocking(False)
        yield one


def require_unheard(listener: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        listener.accept()


EVIL = {
    "a url to import from": "{good}deps:\n- path: {url}\n",
    "a repository to import from": "{good}deps:\n- repo:\n    url: {url}\n  path: x\n",
    "a remote of its own": "outs:\n- md5: {oid}\n  remote: {url}\n  path: models\n",
    "a url as its path": "outs:\n- md5: {oid}\n  path: {url}\n",
    "a url as its folder": "{good}wdir: {url}\n",
    "a command": "{good}cmd: curl {url}\n",
    "a second out": "outs:\n- md5: {oid}\n  path: models\n- md5: {oid}\n  path: {url}\n",
    "an oid that climbs": "outs:\n- md5: ../../{url}.dir\n  path: models\n",
    "ten megabytes": "{good}" + "# {url}\n" * 400_000,
}


def test_a15_no_pin_has_the_server_ask_anyone(serving: Serving, listener: socket.socket) -> None:
    """The corpus of what is refused, of over 70 pins, is in tests/serve/artifact/test_pin.py."""
    serving.goes_live(1)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    good, oid = serving.pins[0].decode(), pin.read(serving.pins[0]).oid
    for evil in EVIL.values():
        refused = serving.server.count("rollout failed", code="pin_unreadable")
        serving.write(evil.format(good=good, url=url, oid=oid).encode())
        serving.server.wait("rollout failed", refused + 1, code="pin_unreadable")
        assert serving.server.get("/health/ready").status_code == 200
    require_unheard(listener)
    serving.goes_live(0)


@forms(20, 500)
def test_a16_however_the_pin_is_written_what_it_says_at_last_is_served(serving: Serving, times: int) -> None:
    serving.goes_live(1)
    before = failures(serving.server)
    for at in range(times):
        serving.repository.checkout(at % 2)
        if at % 3 == 1:
            serving.pinned.unlink()
        if at % 3 == 2:
            serving.pinned.write_bytes(serving.pins[0][:50])
        assert serving.server.get("/health/ready").status_code == 200
    serving.goes_live(times // 2 % 2)
    assert failures(serving.server) == before


def failures(server: Server) -> int:
    """How many releases failed, but for want of a pin that can be read."""
    return server.count("rollout failed") - server.count("rollout failed", code="pin_unreadable")


def detached(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--force", "--detach")


def locked(repository: Repository) -> None:
    (repository.folder / ".git" / "index.lock").touch()


def rebasing(repository: Repository) -> None:
    (repository.folder / ".git" / "rebase-merge").mkdir()


def of_another_user(repository: Repository) -> None:
    for place in (repository.folder, repository.folder / ".git"):
        os.chown(place, 65534, 65534)


def without_git(repository: Repository) -> None:
    (repository.folder / ".git").rename(repository.folder / "not-git")


STATES = [detached, locked, rebasing, of_another_user, without_git]


@contextlib.contextmanager
def mended(repository: Repository) -> Iterator[None]:
    """Its .git is as before, whatever was done to it."""
    saved = repository.folder.parent / "saved"
    shutil.copytree(repository.folder / ".git", saved, symlinks=True)
    try:
        yield
    finally:
        for one in (".git", "not-git"):
            shutil.rmtree(repository.folder / one, ignore_errors=True)
        saved.rename(repository.folder / ".git")
        os.chown(repository.folder, os.getuid(), os.getgid())


@pytest.mark.parametrize("spoil", STATES, ids=lambda one: one.__name__)
def test_a26_whatever_state_git_is_in_the_pin_is_followed(
    serving: Serving, spoil: Callable[[Repository], None]
) -> None:
    if spoil is of_another_user and os.geteuid() != 0:
        pytest.skip("needs root to give a folder away")
    serving.goes_live(1)
    with mended(serving.repository):
        spoil(serving.repository)
        serving.goes_live(0)
        assert serving.server.get("/health/ready").status_code == 200
    serving.goes_live(1)


def test_a26_a_repository_that_is_gone_changes_nothing(serving: Serving) -> None:
    serving.goes_live(1)
    away = serving.repository.folder.with_name("away")
    serving.repository.folder.rename(away)
    time.sleep(0.3)  # some looks
    assert serving.server.get("/health/ready").status_code == 200
    assert serving.server.predict({"inputs": {"x": [1.0]}}).status_code == 200
    away.rename(serving.repository.folder)
    serving.goes_live(0)


@TIMED
@forms(2, 10)
def test_a27_a_storm_of_touches_is_no_change(serving: Serving, times: int) -> None:
    """So many seconds of a thousand touches a second, with an editor's files beside them, and the default interval."""
    serving.goes_live(1)
    front, events = psutil.Process(serving.server.process.pid), len(serving.server.events)
    before, until = sum(front.cpu_times()[:2]), time.monotonic() + times
    while time.monotonic() < until:
        (serving.repository.folder / "models.dvc.swp").write_bytes(serving.pins[0])
        serving.write(serving.pins[1])
        os.utime(serving.pinned)
        time.sleep(0.001)
    assert (sum(front.cpu_times()[:2]) - before) / times < within(0.10)
    assert serving.server.events[events:] == []


def harmful(repository: Repository, canary: Path, url: str) -> str:
    """A .dvc/config that would have DVC run a command, write elsewhere, and trust anyone."""
    return (
        f"[core]\n remote = origin\n site_cache_dir = {canary}/site\n[cache]\n dir = {canary}/cache\n"
        f"['remote \"origin\"']\n url = {url}\n bearer_token_command = mkdir -p {canary}/command\n ssl_verify = false\n"
        f" auth = custom\n"
    )


def forget(repository: Repository) -> None:
    """Nothing is at hand but the remote and the environments."""
    shutil.rmtree(repository.state / "snapshots", ignore_errors=True)
    shutil.rmtree(repository.folder / ".dvc" / "cache", ignore_errors=True)


def test_a17_what_a_repository_says_of_dvc_runs_nothing_and_asks_no_one(
    repository: Repository, tmp_path: Path, listener: socket.socket
) -> None:
    canary, config = tmp_path / "canary", repository.folder / ".dvc" / "config"
    forget(repository)
    url = f"webdav://127.0.0.1:{listener.getsockname()[1]}/x"
    config.write_text(harmful(repository, canary, url))
    with Server(repository.folder, repository.state, **EAGER) as server:
        failed = server.wait("rollout failed")
        assert (failed["code"], url in failed["reason"]) == ("remote_not_trusted", True)
        assert server.get("/health/live").status_code == 200
        assert server.get("/health/ready").status_code == 503
        require_unheard(listener)
        config.write_text(harmful(repository, canary, "../remote"))
        server.ready()
        ignored = server.wait("settings of the repository ignored")["keys"]
    assert ignored == [
        "core.site_cache_dir",
        "cache.dir",
        "remote.origin.bearer_token_command",
        "remote.origin.ssl_verify",
        "remote.origin.auth",
    ]
    assert not canary.exists()
    require_unheard(listener)


async def test_a1_a_remote_that_is_not_there_costs_no_answer_and_is_tried_again(repository: Repository) -> None:
    async with over_http(repository.folder / "remote") as proxy:
        with Server(repository.folder, repository.state, **EAGER, artifact__remote=proxy.url) as server:
            await server.seen("release live")
            forget_all_but_live(repository, server)
            shutil.rmtree(repository.folder / ".dvc" / "cache", ignore_errors=True)
            await proxy.refuse()
            async with Load(server.url, rate=20, only=3.0) as load:
                repository.checkout(0)
                await server.seen("rollout failed", 2)
                assert server.wait("rollout failed")["code"] == "pull_failed"
                ready = await asyncio.to_thread(server.get, "/health/ready")
                assert ready.status_code == 200
                await load.until(answered=10)
                await proxy.open()
                load.only = None
                await server.seen("release live", 2)
                await load.until(answered=10)
            load.require_nothing_lost()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write there, root neither."""
    bound = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, text=True)
    if bound.returncode:
        pytest.skip(f"needs to mount, and may not here: {bound.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a23_on_a_read_only_state_folder_the_release_that_is_there_is_served(repository: Repository) -> None:
    with_its_own_environments(repository)
    with Server(repository.folder, repository.state).ready() as server:
        assert server.stop() == 0
    with read_only(repository.state), Server(repository.folder, repository.state, **EAGER).ready() as server:
        assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200
        told = pin.write(pin.Pin("0" * 32 + ".dir", 1, 1, (pin.PinnedModel("oracle", "sha256:" + "0" * 64),)))
        (repository.folder / "models.dvc").write_bytes(told)
        failed = server.wait("rollout failed")
        assert (failed["code"], "is read-only" in failed["reason"]) == ("pull_failed", True)
        assert server.get("/health/ready").status_code == 200


def test_a23_where_the_cache_is_read_only_the_state_folder_holds_another(repository: Repository) -> None:
    forget(repository)
    (repository.folder / ".dvc" / "cache").mkdir()
    with read_only(repository.folder / ".dvc" / "cache"), Server(repository.folder, repository.state).ready() as server:
        assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200
    assert list((repository.folder / ".dvc" / "cache").iterdir()) == []
