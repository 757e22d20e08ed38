"""Rows D-1, D-9 and D-11: switch after switch, each with workers of its own, under load, kills, and for long."""

import asyncio
import contextlib
import os
import signal

import psutil

from tests.chaos.conftest import whole
from tests.chaos.load import Load
from tests.chaos.residue import eventually
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import forms

FACTORS = (2.0, 3.0)  # of promotions 0 and 1
SETTINGS = {"worker__count": 2, "rollout__hold_seconds": 0}  # what is held would be live again without a load
MIB = 2**20
LOOP_THREADS = (os.cpu_count() or 1) + 4  # that asyncio's own pool begins one by one, as they are needed


async def switched(repository: Repository, server: Server, load: Load, number: int) -> None:
    """The switch of that number is over: from now on its release alone may answer."""
    await server.seen("release live", count=number + 2)
    load.only = FACTORS[number % 2]
    await load.until(answered=50)
    load.only = None


def kill_one(pids: set[int]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(min(pids), signal.SIGKILL)


@forms(2, 20)
async def test_d1_switch_after_switch_under_load_loses_nothing(repository: Repository, times: int) -> None:
    with Server(repository.folder, repository.state, **SETTINGS).ready() as server:
        async with Load(server.url, rate=100, usual="nap:0.005") as load:
            for number in range(times):
                repository.checkout(number % 2)
                await switched(repository, server, load, number)
        load.require_nothing_lost()
        assert len(set(load.digests)) == 2


@forms(2, 20)
async def test_d9_workers_killed_around_a_cut_over_cost_nothing(repository: Repository, times: int) -> None:
    with Server(repository.folder, repository.state, **SETTINGS).ready() as server:
        async with Load(server.url, rate=100, usual="nap:0.005") as load:
            for number in range(times):
                old = server.pids()
                repository.checkout(number % 2)
                await server.seen("warm", count=number + 2)
                kill_one(old)
                await server.seen("release live", count=number + 2)
                kill_one(server.pids())
                await switched(repository, server, load, number)
        load.require_nothing_lost()
        assert await asyncio.to_thread(whole, server, 30.0)


@forms(4, 200)
async def test_d11_however_many_switches_the_front_is_as_it_was(repository: Repository, times: int) -> None:
    with Server(repository.folder, repository.state, **SETTINGS).ready() as server:
        front = psutil.Process(server.process.pid)

        def left_alone() -> bool:  # a client opens as many connections as it needs, and keeps them
            return not any(one.status == psutil.CONN_ESTABLISHED for one in front.net_connections("tcp"))

        def has_grown() -> bool:
            return front.num_fds() - descriptors > 2 or front.num_threads() - threads > LOOP_THREADS

        settled = min(times // 2, 10)
        for numbers in (range(settled), range(settled, times)):
            async with Load(server.url) as load:
                for number in numbers:
                    repository.checkout(number % 2)
                    await switched(repository, server, load, number)
            load.require_nothing_lost()
            assert await asyncio.to_thread(eventually, left_alone)
            if numbers.start == 0:
                descriptors, threads, memory = front.num_fds(), front.num_threads(), front.memory_info().rss
        assert await asyncio.to_thread(eventually, lambda: not has_grown())
        grown = (front.memory_info().rss - memory) / MIB
        assert grown <= min(20, 10 + 0.05 * (times - settled)), f"{grown:.1f} MiB in {times - settled} switches"
