"""Rows C-4, C-6 to C-8 and F-4 to F-9: processes die, freeze or are killed, and nothing is lost or left."""

import asyncio
import os
import random
import shutil
import signal
import statistics
import time
from datetime import datetime

import psutil
import pytest

from tests.chaos.conftest import HEARTBEAT_SECONDS, MIB, SETTINGS, whole
from tests.chaos.limits import rss
from tests.chaos.load import Client, Load, unlike_any_other
from tests.chaos.residue import eventually, no_residue, nothing_left
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import FULL, forms, within

LOAD_SECONDS = 5.0  # that the oracle may take to load, on two cores that do other things as well


def started(repository: Repository) -> Server:
    return Server(repository.folder, repository.state, **SETTINGS)


def has_replaced_or_says_so(server: Server, frozen: set[int]) -> bool:
    return eventually(lambda: not ready(server) or not frozen & server.pids(), 3 * HEARTBEAT_SECONDS + LOAD_SECONDS)


def ready(server: Server) -> bool:
    return server.get("/health/ready").status_code == 200


@forms(3, 50)
async def test_c4_workers_killed_at_random_under_load_lose_nothing(abused: Server, times: int) -> None:
    chosen, detected = random.Random(times), []
    with no_residue(abused):
        async with Load(abused.url, rate=100, usual="nap:0.005") as load:
            for _ in range(times):
                await load.until(answered=chosen.randint(50, 150))
                deaths, replaced = abused.count("worker died"), abused.count("worker replaced")
                victim = chosen.choice(sorted(abused.pids()))
                killed = time.time()
                os.kill(victim, signal.SIGKILL)
                await abused.seen("worker died", count=deaths + 1)
                told = abused.wait("worker died", count=deaths + 1)["timestamp"]
                detected.append(datetime.fromisoformat(told).timestamp() - killed)
                await abused.seen("worker replaced", count=replaced + 1)
        load.require_nothing_lost()
    # The quick form has too few kills for a median to mean much.
    assert (min(detected) if times < 10 else statistics.median(detected)) < within(0.05), detected


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@forms(1, 10)
async def test_c6_with_all_workers_gone_readiness_says_so_and_comes_back(
    abused: Server, how: signal.Signals, times: int
) -> None:
    for _ in range(times):
        assert whole(abused)
        gone = abused.pids()
        for pid in gone:
            os.kill(pid, how)
        if how is signal.SIGKILL:
            assert await asyncio.to_thread(eventually, lambda: not ready(abused), within(1.0))
        else:  # found one after the other: the first may be replaced before the last is found
            assert await asyncio.to_thread(has_replaced_or_says_so, abused, gone)
        async with Client(abused.url) as client:
            reply = await client.ask([1.0])
        assert reply.status == 200 or (reply.status == 503 and "Retry-After" in reply.headers)
        assert reply.seconds < 31.0
        assert await asyncio.to_thread(eventually, lambda: ready(abused))


@forms(1, 10)
async def test_c7_a_frozen_idle_worker_is_found_and_replaced(abused: Server, times: int) -> None:
    for _ in range(times):
        assert whole(abused)
        frozen, frozen_at = min(abused.pids()), time.monotonic()
        os.kill(frozen, signal.SIGSTOP)
        await abused.seen("worker died", count=abused.count("worker died") + 1, seconds=within(10))
        assert time.monotonic() - frozen_at < within(3 * HEARTBEAT_SECONDS)
        assert ready(abused)
        assert whole(abused)
        assert frozen not in abused.pids()
        async with Client(abused.url) as client:  # workers that die and never answer are restarted ever later
            assert (await client.ask([1.0])).cause == ""


@pytest.mark.parametrize("seconds", [12.0, pytest.param(60.0, marks=FULL)])
async def test_c8_a_crash_loop_backs_off_and_says_so(repository: Repository, seconds: float) -> None:
    with started(repository).ready() as server:
        memory, until = rss(server.process.pid), time.monotonic() + seconds
        async with Client(server.url) as client:
            while time.monotonic() < until:
                reply = await client.ask([unlike_any_other()], "exit")
                assert reply.cause in ("worker_crashed", "not_ready")
        assert server.count("worker replaced") <= 10
        pauses = [one["restart_in_seconds"] for one in server.events if one["event"] == "worker died"]
        assert pauses == sorted(pauses)
        assert pauses[-1] > 4 * pauses[0]
        assert rss(server.process.pid) - memory < 16 * MIB


async def test_c8_a_crash_loop_over_the_model_serves_again(abused: Server) -> None:
    async with Client(abused.url) as client:
        for _ in range(2):
            await client.ask([unlike_any_other()], "exit")
    assert whole(abused)
    async with Load(abused.url, count=20) as load:
        await load.over()
    load.require_nothing_lost()


@pytest.mark.parametrize("fault", ["nap:60", "gil", "freeze"])
async def test_f4_a_killed_server_takes_all_its_processes_along(repository: Repository, fault: str) -> None:
    with started(repository).ready() as server:
        async with Client(server.url) as client:
            asked = asyncio.create_task(client.ask([1.0], fault))
            assert await asyncio.to_thread(eventually, lambda: server.busy() > 0)
            children = psutil.Process(server.process.pid).children(recursive=True)
            server.process.kill()
            gone, alive = await asyncio.to_thread(psutil.wait_procs, children, 2.0)
            await asked
        assert alive == []
        assert len(gone) >= 2


def has_as_many(front: psutil.Process, children: int) -> bool:
    return eventually(lambda: len(front.children()) == children)


@forms(1, 10)
async def test_f6_each_process_killed_in_turn_costs_no_answer(abused: Server, times: int) -> None:
    """Workers, and those that read large bodies, which are started here."""
    large = {"inputs": {"x": [1.0] * 100, "fault": ["x" * 5000] * 100}}
    front = psutil.Process(abused.process.pid)
    for _ in range(times):
        assert whole(abused)
        assert (await asyncio.to_thread(abused.predict, large)).status_code == 200
        before = len(front.children())
        async with Load(abused.url, rate=50) as load:
            for victim in [one.pid for one in front.children()]:
                os.kill(victim, signal.SIGKILL)
                await load.until(answered=20)
                assert await asyncio.to_thread(whole, abused)
                answer = await asyncio.to_thread(abused.predict, large)
                assert answer.status_code == 200
                assert await asyncio.to_thread(has_as_many, front, before)
        load.require_nothing_lost()


QUICK = {"rollout__first_retry_seconds": 0.2, "rollout__hold_seconds": 0}  # what is held is not pulled again


@forms(1, 10)
def test_f6_a_pull_that_is_killed_is_tried_again(repository: Repository, times: int) -> None:
    with Server(repository.folder, repository.state, **SETTINGS, **QUICK).ready() as server:
        for _ in range(times):
            forget_all_but_live(repository, server)
            lives, failures = server.count("release live"), server.count("rollout failed")
            repository.checkout(0)
            assert eventually(lambda: kill_pull(server))
            assert server.wait("rollout failed", count=failures + 1)["code"] == "pull_failed"
            assert ready(server)
            server.wait("release live", count=lives + 1)
            repository.checkout(1)
            server.wait("release live", count=lives + 2)


def forget_all_but_live(repository: Repository, server: Server) -> None:
    live = server.model()["digest"].removeprefix("sha256:")
    for snapshot in (repository.state / "snapshots").iterdir():
        if snapshot.name != live:
            shutil.rmtree(snapshot)


def kill_pull(server: Server) -> bool:
    """Whether there was a `dvc pull` to kill."""
    for child in psutil.Process(server.process.pid).children(recursive=True):
        try:
            if "pull" in child.cmdline():
                child.kill()
                return True
        except psutil.NoSuchProcess:
            pass
    return False


@forms(1, 10)
async def test_f7_a_server_that_was_used_and_stopped_leaves_nothing(repository: Repository, times: int) -> None:
    for _ in range(times):
        with nothing_left(repository.state), started(repository).ready() as server:
            async with Load(server.url, leaving=0.2, faults={"raise": 0.1}) as load:
                await load.until(answered=30)
                os.kill(min(server.pids()), signal.SIGKILL)
                await load.until(answered=30)
            load.require_nothing_lost()
            assert server.stop() == 0


@forms(2, 50)
def test_f9_killed_and_started_again_it_serves_the_last_release(repository: Repository, times: int) -> None:
    chosen = random.Random(times)
    for _ in range(times):
        promotion = chosen.randrange(2)
        repository.checkout(promotion)
        with started(repository).ready() as server:
            answer = server.predict({"inputs": {"x": [1.0]}}).json()
            assert answer == {"predictions": [{"y": promotion + 2.0, "factor": promotion + 2.0}]}
            own = {path.name.split("-")[0] for path in (repository.state / "scratch").iterdir()}
            assert own == {str(server.process.pid)}
            repository.checkout(chosen.randrange(2))
            if chosen.random() < 0.5:
                server.wait("verified", count=1)
            server.process.kill()
