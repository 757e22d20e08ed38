"""Workers with real children of a real MLflow model: stuck, frozen, too large, deadly."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from serve.errors import DeadlineExceeded, NotReady, OutputTooLarge, WorkerCrashed
from serve.metrics import Metrics
from serve.worker.pool import Pool, PoolLimits
from tests.forms import forms
from tests.integration.test_pool import answered, ask, command
from tests.models import ORACLE, oracle

LIMITS = PoolLimits(1, max_batch_rows=64, max_waiting_rows=1000, load_timeout_seconds=60.0, heartbeat_seconds=0.2)


@asynccontextmanager
async def running(state: Path, limits: PoolLimits = LIMITS) -> AsyncIterator[Pool]:
    pool = Pool(command(ORACLE, state), limits, Metrics(CollectorRegistry()), batchable=True)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


def deaths(pool: Pool) -> float:
    return pool._metrics.worker_deaths.labels("oracle")._value.get()


async def died(pool: Pool, times: int) -> None:
    """Wait until so many workers have died: their callers hear first."""
    async with asyncio.timeout(30.0):
        while deaths(pool) < times:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)
    assert deaths(pool) == times


async def another(pool: Pool, pid: int) -> int:
    """The pid of the worker that took the place of `pid`, once it can answer."""
    async with asyncio.timeout(30.0):
        while pool.workers[0]["pid"] == pid or not pool.alive:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)
    return int(pool.workers[0]["pid"])


async def test_who_is_stuck_in_a_batch_is_given_up_alone_and_its_mates_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path, replace(LIMITS, predict_timeout_seconds=0.5)) as pool:
        found = await asyncio.gather(*(ask(pool, float(x), "hang" if x == 2 else "nothing") for x in range(5)))
        assert isinstance(found[2], DeadlineExceeded)
        assert "within 0.5 seconds" in found[2].message
        assert [one for x, one in enumerate(found) if x != 2] == [answered(float(x)) for x in range(5) if x != 2]
        await died(pool, 2)


async def test_who_was_stuck_beside_another_is_no_killer_where_its_next_worker_dies(tmp_path: Path) -> None:
    async with running(tmp_path, replace(LIMITS, predict_timeout_seconds=1.0)) as pool:
        asked = asyncio.gather(ask(pool, 1.0, "nap:0.5"), ask(pool, 2.0, "hang"))
        await died(pool, 1)
        async with asyncio.timeout(30.0):
            while pool.workers[0]["state"] != "busy":  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.01)
        os.kill(pool.workers[0]["pid"], signal.SIGKILL)
        innocent, hung = await asked
        assert innocent == answered(1.0)
        assert isinstance(hung, DeadlineExceeded)


@forms(2, 100)
async def test_b14_a_model_that_begins_threads_at_load_starts_as_often_as_it_is_started(
    tmp_path: Path, times: int
) -> None:
    folder = oracle(tmp_path / "model", 2.0, on_load="threads")
    for _ in range(times):
        pool = Pool(command(folder, tmp_path), LIMITS, Metrics(CollectorRegistry()), batchable=True)
        await pool.start()
        assert await ask(pool, 1.0) == answered(1.0)
        await pool.stop()


async def test_an_idle_worker_that_is_frozen_is_found_and_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as pool:
        first = int(pool.workers[0]["pid"])
        os.kill(first, signal.SIGSTOP)
        assert await another(pool, first) != first
        assert await ask(pool, 3.0) == answered(3.0)
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)


async def test_an_idle_worker_that_is_there_stays(tmp_path: Path) -> None:
    async with running(tmp_path, replace(LIMITS, heartbeat_seconds=0.05)) as pool:
        first, process = pool.workers[0]["pid"], pool._processes[0]
        beats = 0
        while beats < 5:
            beats += process.state == "busy"
            await asyncio.sleep(0)
        assert await ask(pool, 3.0) == answered(3.0)
        assert pool.workers[0]["pid"] == first


async def test_a_worker_that_takes_too_much_memory_is_replaced_and_no_request_notices(tmp_path: Path) -> None:
    async with running(tmp_path, replace(LIMITS, max_memory_bytes=1)) as pool:
        recycles = pool._metrics.worker_recycles.labels("oracle")._value
        pids, x = set(), 0.0
        while recycles.get() < 3:
            pids.add(pool.workers[0]["pid"])
            assert await ask(pool, x) == answered(x)
            x += 1.0
        assert len(pids) >= 3
        assert deaths(pool) == 0


async def test_a_killer_is_known_when_it_comes_again(tmp_path: Path) -> None:
    async with running(tmp_path) as pool:
        assert isinstance(await ask(pool, 1.0, "exit"), WorkerCrashed)
        await died(pool, 2)
        assert isinstance(await ask(pool, 1.0, "exit"), WorkerCrashed)
        assert await ask(pool, 1.0) == answered(1.0)
        assert deaths(pool) == 2


async def test_an_answer_larger_than_it_may_be_stays_with_its_worker(tmp_path: Path) -> None:
    async with running(tmp_path, replace(LIMITS, max_answer_bytes=20)) as pool:
        found = await asyncio.gather(ask(pool, 1.0), ask(pool, 2.0))
        assert found == [answered(1.0), answered(2.0)]
    async with running(tmp_path, replace(LIMITS, max_answer_bytes=10)) as pool:
        found = await asyncio.gather(ask(pool, 1.0), ask(pool, 2.0))
        assert all(isinstance(one, OutputTooLarge) for one in found)
        assert "at most 10 can be sent" in str(found[0])
        assert deaths(pool) == 0


async def test_where_every_request_ends_its_worker_callers_are_told_so_and_wait_for_none(tmp_path: Path) -> None:
    async with running(tmp_path) as pool:
        for x in range(2):
            assert isinstance(await ask(pool, float(x), "exit"), WorkerCrashed | NotReady)
        await died(pool, 3)
        assert pool.alive == 0
        assert isinstance(await ask(pool, 5.0), NotReady)
        async with asyncio.timeout(30.0):
            while not pool.alive:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.01)
        assert await ask(pool, 5.0) == answered(5.0)
