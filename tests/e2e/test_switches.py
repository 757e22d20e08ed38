"""Rows D-4 to D-13: switches that come thick and fast, at a bad moment, or to a bad release, on the real command."""

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serve.artifact import pin
from serve.artifact.fetch import Store
from tests.chaos.load import Client, Load
from tests.chaos.residue import eventually
from tests.e2e.conftest import Repository, promote
from tests.e2e.server import Server
from tests.e2e.test_bad_releases import pin_unrehearsed
from tests.forms import TIMED, forms, within
from tests.models import oracle


def workers(server: Server) -> int:
    """How many workers run, whatever they are for."""
    return sum("child" in _command(child) for child in psutil.Process(server.process.pid).children())


def _command(process: psutil.Process) -> str:
    """'' of one that is gone by now."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def told(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/models").json()
    return found


def settled_on(server: Server, repository: Repository) -> Callable[[], bool]:
    """Whether what git says is live, by one worker and no other."""
    asked = pin.read((repository.folder / "models.dvc").read_bytes())
    digests = {model.name: model.digest for model in asked.models}

    def holds() -> bool:
        models = told(server)
        return (models["live"], models["desired"], models["failure"], models["held"], workers(server)) == (
            digests,
            digests,
            None,
            None,
            1,
        )

    return holds


async def becomes(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    return await asyncio.to_thread(eventually, condition, seconds)


@pytest.fixture(scope="module")
def doomed(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """models.dvc of a release that passed its promotion, and dies of every row from x = 100 on."""
    root = tmp_path_factory.mktemp("doomed")
    shutil.copytree(promoted.folder, root / "repo", symlinks=True)
    promote(root / "repo", promoted.state, oracle(root / "model", 5, dies_from=100.0))
    shutil.copytree(root / "repo" / "remote", promoted.folder / "remote", dirs_exist_ok=True)
    return (root / "repo" / "models.dvc").read_bytes()


@pytest.mark.parametrize("count", [1, 2])
async def test_d6_a_release_that_dies_once_it_is_live_falls_back_and_loses_nothing(
    doomed: bytes, repository: Repository, count: int
) -> None:
    with Server(repository.folder, repository.state, worker__count=count).ready() as server:
        good = server.model()["digest"]
        async with Load(server.url, usual="nap:0.005") as load:
            (repository.folder / "models.dvc").write_bytes(doomed)
            await server.seen("release live", count=2)
            await asyncio.to_thread(server.wait, "rollout failed", code="fell_back")
            models = told(server)
            assert models["live"] == {"oracle": good} != models["desired"]
            assert (models["failure"]["code"], models["held"]) == ("fell_back", None)
            assert "workers died" in models["failure"]["message"] or "no worker left" in models["failure"]["message"]
            assert server.get("/health/ready").status_code == 200
            load.only = 3.0
            await load.until(answered=50)
            assert 'pinion_rollouts_total{outcome="fell_back"} 1.0' in server.get("/metrics").text
            assert server.count("release live") == 2  # it is not tried again
        load.require_nothing_lost()
        assert len(set(load.digests)) == 2 or load.digests[0] == good
        assert await becomes(lambda: workers(server) == count)
        repository.checkout(1)
        await server.seen("release live", count=3)
        assert told(server)["failure"] is None


async def test_c3_while_a_release_is_held_a_killer_costs_one_worker_of_each(repository: Repository) -> None:
    with Server(repository.folder, repository.state, worker__count=2).ready() as server:
        async with Load(server.url, usual="nap:0.005") as load, Client(server.url) as client:
            repository.checkout(0)
            await server.seen("release live", count=2)
            assert told(server)["held"] is not None
            first, again = await client.ask([1e6], "exit"), await client.ask([1e6], "exit")
            await load.until(answered=50)
        load.require_nothing_lost()
        assert [(one.status, one.cause) for one in (first, again)] == [(500, "worker_crashed")] * 2
        assert server.count("worker died") == 2
        assert told(server)["failure"] is None


@TIMED
async def test_a_switch_back_to_what_is_held_loads_nothing(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        async with Load(server.url) as load:
            repository.checkout(0)
            await server.seen("release live", count=2)
            began = time.monotonic()
            repository.checkout(1)
            await server.seen("release live", count=3)
            assert time.monotonic() - began < within(1.5)  # two looks and an assignment
            load.only = 3.0
            await load.until(answered=25)
        load.require_nothing_lost()
        assert server.count("warm") == 2


@TIMED
@pytest.mark.parametrize("seconds", [5.0, pytest.param(30.0, marks=pytest.mark.e2e)])
@pytest.mark.parametrize("hold", [0.0, 30.0])
async def test_d4_flapping_every_200_ms_ends_on_the_last(repository: Repository, seconds: float, hold: float) -> None:
    with Server(repository.folder, repository.state, rollout__hold_seconds=hold).ready() as server:
        process = psutil.Process(server.process.pid)
        most = 0
        async with Load(server.url) as load:
            await load.until(answered=50)
            before = process.memory_info().rss
            for flap in range(int(seconds / 0.2)):
                repository.checkout(flap % 2)
                await load.until(answered=10)  # of 50 a second
                most = max(most, workers(server))
            repository.checkout(0)
            began = time.monotonic()
            asked = pin.read((repository.folder / "models.dvc").read_bytes()).models[0].digest
            is_last, steady = (lambda: told(server)["live"] == {"oracle": asked} == told(server)["desired"]), False
            while not steady:  # a pin that was read before may still be tried, for a second at most
                assert await becomes(is_last)
                assert time.monotonic() - began < within(10.0)
                await load.until(answered=50)
                steady = is_last()
            load.only = 2.0
            await load.until(answered=25)
        load.require_nothing_lost()
        assert most <= (2 if hold else 3)  # live, and held or being loaded; where nothing is held, one may be draining
        assert process.memory_info().rss - before < 20 * 2**20
        assert await becomes(lambda: workers(server) == (1 if told(server)["held"] is None else 2))


@forms(5, 10)
async def test_d5_a_change_at_any_moment_of_a_load_ends_on_the_newest(repository: Repository, times: int) -> None:
    with Server(repository.folder, repository.state, rollout__hold_seconds=0).ready() as server:
        async with Load(server.url) as load:
            for answered in range(10, 110, 100 // times):  # of 50 a second: from 0.2 to 2 seconds
                repository.checkout(0)
                await load.until(answered=answered)
                repository.checkout(1)
                assert await becomes(settled_on(server, repository))
        load.require_nothing_lost()


async def test_d5_a_change_while_the_old_one_drains_is_followed(repository: Repository) -> None:
    with Server(repository.folder, repository.state, rollout__hold_seconds=0).ready() as server:
        async with Client(server.url) as client:
            slow = asyncio.create_task(client.ask([1.0], "nap:6"))
            assert await becomes(lambda: server.model()["workers"][0]["state"] == "busy")
            repository.checkout(0)
            await server.seen("release live", count=2)
            repository.checkout(1)
            await server.seen("release live", count=3)
            assert not slow.done()
            assert (await client.ask([2.0])).flaw([2.0]) == ""
            assert (await slow).flaw([1.0]) == ""
        assert await becomes(settled_on(server, repository))


@TIMED
async def test_d7_a_long_request_ends_on_the_release_that_took_it_which_then_goes(repository: Repository) -> None:
    with Server(repository.folder, repository.state, rollout__hold_seconds=0).ready() as server:
        old = server.model()
        async with Client(server.url) as client:
            slow = asyncio.create_task(client.ask([1.0], "nap:5"))
            assert await becomes(lambda: server.model()["workers"][0]["state"] == "busy")
            repository.checkout(0)
            await server.seen("release live", count=2)
            assert (await client.ask([2.0])).body["predictions"][0]["factor"] == 2.0
            assert not slow.done()
            answer = await slow
        assert answer.body["predictions"] == [{"y": 3.0, "factor": 3.0}]
        assert answer.headers["x-model-digest"] == old["digest"]
        assert await becomes(lambda: not psutil.pid_exists(old["workers"][0]["pid"]), within(2.0))


@TIMED
async def test_d8_a_hung_request_on_the_old_release_ends_with_it(repository: Repository) -> None:
    settings = {"rollout__hold_seconds": 0, "rollout__drain_timeout_seconds": 1.0}
    with Server(repository.folder, repository.state, **settings).ready() as server:
        old = server.model()["workers"][0]["pid"]
        async with Client(server.url) as client:
            hung = asyncio.create_task(client.ask([1.0], "hang"))
            assert await becomes(lambda: server.model()["workers"][0]["state"] == "busy")
            repository.checkout(0)
            await server.seen("release live", count=2)
            began = time.monotonic()
            assert (await client.ask([2.0])).body["predictions"][0]["factor"] == 2.0
            assert ((await hung).status, (await hung).cause) == (504, "deadline_exceeded")
            assert await becomes(lambda: not psutil.pid_exists(old), within(2.0))
            assert time.monotonic() - began < within(3.0)


@TIMED
async def test_i6_without_a_worker_it_is_not_ready_and_says_why(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        os.kill(server.model()["workers"][0]["pid"], signal.SIGKILL)
        seen: list[httpx.Response] = []

        def not_ready() -> bool:
            seen.append(server.get("/health/ready"))
            return seen[-1].status_code == 503

        assert await becomes(not_ready, within(1.0))
        model = seen[-1].json()["models"]["oracle"]
        assert model["ready"] == 0
        assert "model 'oracle' has no worker that can answer: " in model["reason"]
        assert "(killed by SIGKILL)" in model["reason"]
        await server.seen("worker replaced")
        assert server.get("/health/ready").json()["models"]["oracle"]["reason"] is None


class Releases:
    """Releases of the oracle that differ in nothing but their record, each with a snapshot of its own."""

    def __init__(self, repository: Repository, state: Path, root: Path) -> None:
        self._repository, self._root = Repository(repository.folder, repository.revisions, state), root

    @property
    def pinned(self) -> Path:
        """The snapshot of what is pinned."""
        asked = pin.read((self._repository.folder / "models.dvc").read_bytes()).models[0]
        return Store(self._repository.folder, self._repository.state).snapshot(asked)

    async def another(self, number: int) -> Path:
        staged = self._root / str(number)
        shutil.copytree(self.pinned, staged)  # which is live, so it is there
        for path in (staged, *staged.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        record = json.loads((staged / "promotion.json").read_text())
        (staged / "promotion.json").write_text(json.dumps({**record, "number": number}))
        await pin_unrehearsed(self._repository, staged)
        return self.pinned


def kept(state: Path) -> set[Path]:
    return set((state / "snapshots").iterdir())


def own_state(repository: Repository, tmp_path: Path) -> Path:
    """A state folder of one's own, with environments that are there to be removed."""
    shutil.copytree(repository.state / "environments", tmp_path / "state" / "environments", symlinks=True)
    return tmp_path / "state"


async def test_d11_releases_that_nobody_uses_are_collected(repository: Repository, tmp_path: Path) -> None:
    state = own_state(repository, tmp_path)
    stale = state / "environments" / "0123456789abcdef"
    (stale / "bin").mkdir(parents=True)
    os.utime(stale, (1, 1))
    settings = {"artifact__keep_releases": 1, "rollout__hold_seconds": 0.2}
    with Server(repository.folder, state, **settings).ready() as server:
        releases = Releases(repository, state, tmp_path)
        made = [releases.pinned]
        async with Load(server.url) as load:
            for number in range(5):
                made.append(await releases.another(number))
                await server.seen("release live", count=2 + number)
                assert await becomes(lambda: kept(state) <= set(made[-3:]))  # live, held, and one beside them
        load.require_nothing_lost()
        assert made[-1] in kept(state)
        assert not stale.exists()
        assert await becomes(lambda: workers(server) == 1)


async def test_d13_no_server_collects_what_another_uses(repository: Repository, tmp_path: Path) -> None:
    state, other = own_state(repository, tmp_path), tmp_path / "other"
    shutil.copytree(repository.folder, other, symlinks=True)
    settings = {"artifact__keep_releases": 0, "rollout__hold_seconds": 0}
    with Server(repository.folder, state).ready() as first, Server(other, state, **settings).ready() as second:
        releases = Releases(Repository(other, repository.revisions, state), state, tmp_path)
        used, made = releases.pinned, []
        async with Load(first.url) as load:
            for number in range(3):
                made.append(await releases.another(number))
                await second.seen("release live", count=2 + number)
            assert await becomes(lambda: kept(state) <= {used, *made[1:]})  # of which one was leaving still
            assert used in kept(state)
            os.kill(first.model()["workers"][0]["pid"], signal.SIGKILL)
            await first.seen("worker replaced")
            await load.until(answered=25)
        load.require_nothing_lost()
