"""A pool with real children of a real MLflow model: batches, faults, deaths, timeouts, drain."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from prometheus_client import CollectorRegistry

from serve.artifact.snapshot import signature
from serve.child import wire
from serve.child.wire import Value
from serve.errors import (
    BadOutput,
    DeadlineExceeded,
    LoadFailed,
    NotReady,
    PredictFailed,
    QueueFull,
    ServeError,
    WorkerCrashed,
)
from serve.metrics import Metrics
from serve.signature import payload
from serve.signature.binding import Bound, bind
from serve.signature.predictions import to_json
from serve.worker.pool import Pool, PoolLimits, PoolState
from serve.worker.process import Command, Died, Process
from tests.models import ORACLE, oracle

LIMITS = PoolLimits(workers=1, max_batch_rows=64, max_waiting_rows=1000, load_timeout_seconds=60.0)
SIGNATURE = signature(ORACLE)


@asynccontextmanager
async def running(folder: Path, state: Path, limits: PoolLimits = LIMITS) -> AsyncIterator[Pool]:
    pool = Pool(command(folder, state), limits, Metrics(CollectorRegistry()), batchable=True)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


def command(folder: Path, state: Path) -> Command:
    return Command("oracle", "sha256:0", folder, Path(sys.executable), threads=1, state=state, row_by_row=True)


def request(x: float, fault: str | None = None) -> Bound:
    return bind(payload.parse({"inputs": {"x": [x], "fault": [fault]}}), SIGNATURE)


def answered(x: float, factor: float = 2.0) -> bytes:
    return f'{{"predictions":[{{"y":{x * factor},"factor":{factor}}}]}}'.encode()


async def ask(pool: Pool, x: float, fault: str | None = None, within: float = 30.0) -> bytes | ServeError:
    try:
        value: Value = await pool.predict(request(x, fault), within)
        return to_json(value)
    except ServeError as error:
        return error


async def test_callers_at_once_share_batches_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        found = await asyncio.gather(*(ask(pool, float(x)) for x in range(100)))
        assert found == [answered(float(x)) for x in range(100)]
        batches = pool._metrics.batch_rows.labels("oracle")._buckets
        assert sum(bucket.get() for bucket in batches) < 20


async def test_a_request_that_raises_fails_alone_in_its_batch(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        found = await asyncio.gather(*(ask(pool, float(x), "raise" if x == 3 else None) for x in range(8)))
        assert isinstance(found[3], PredictFailed)
        assert "hunter2" not in found[3].message
        assert [one for x, one in enumerate(found) if x != 3] == [answered(float(x)) for x in range(8) if x != 3]


async def test_rows_are_never_given_to_the_wrong_caller_when_the_model_returns_too_few(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        found = await asyncio.gather(*(ask(pool, float(x), "rows-1" if x == 2 else None) for x in range(6)))
        assert [one for x, one in enumerate(found) if x != 2] == [answered(float(x)) for x in range(6) if x != 2]
        assert isinstance(found[2], BadOutput)
        assert "answered 1 rows with 0" in found[2].message


@pytest.mark.parametrize("fault", ["exit", "segv"])
async def test_a_request_that_kills_its_worker_is_refused_and_its_mates_are_answered(
    tmp_path: Path, fault: str
) -> None:
    async with running(ORACLE, tmp_path) as pool:
        found = await asyncio.gather(*(ask(pool, float(x), fault if x == 1 else None) for x in range(4)))
        assert isinstance(found[1], WorkerCrashed)
        assert [one for x, one in enumerate(found) if x != 1] == [answered(float(x)) for x in range(4) if x != 1]


async def test_a_worker_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        first = pool.workers[0]["pid"]
        os.kill(first, signal.SIGKILL)
        await pool._processes[0].died.wait()
        assert await ask(pool, 5.0) == answered(5.0)
        assert pool.workers[0]["pid"] != first


async def test_a_hung_request_gets_its_deadline_and_its_worker_is_replaced(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        assert isinstance(await ask(pool, 1.0, "hang", within=0.5), DeadlineExceeded)
        assert await ask(pool, 2.0) == answered(2.0)


@pytest.mark.parametrize("fault", ["fork", "daemon"])
def test_what_a_dead_worker_left_running_keeps_neither_its_death_nor_its_end_from_us(
    tmp_path: Path, fault: str
) -> None:
    async def story() -> bytes | ServeError:
        async with running(ORACLE, tmp_path) as pool:
            return await ask(pool, 1.0, fault, within=20.0)

    assert isinstance(uvloop.run(story()), WorkerCrashed)  # the server's own loop: asyncio's waits for the pipes


def test_a_worker_whose_connection_closed_before_it_is_reaped_is_told_as_dead(tmp_path: Path) -> None:
    async def story() -> None:
        process = Process(command(ORACLE, tmp_path))
        await process.start(60.0)
        with socket.socket(fileno=os.dup(process._writer.get_extra_info("socket").fileno())) as ours:
            ours.shutdown(socket.SHUT_RD)
        while not process._writer.is_closing():  # noqa: ASYNC110  # of each turn of the loop, the very first after it
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(Died):
            await process.predict(wire.Predict((request(1.0).value,)), 30.0)
        await process.stop()

    uvloop.run(story())


async def test_a_fault_of_ours_costs_a_process_and_not_its_place_in_the_pool(tmp_path: Path) -> None:
    class Faulty(Process):
        left = 1

        async def predict(self, message: wire.Predict, timeout_seconds: float) -> wire.Answers:
            Faulty.left -= 1
            if Faulty.left == 0:
                raise RuntimeError("a fault of ours")
            return await super().predict(message, timeout_seconds)

    pool = Pool(command(ORACLE, tmp_path), LIMITS, Metrics(CollectorRegistry()), batchable=True, spawn=Faulty)
    await pool.start()
    try:
        assert await ask(pool, 1.0, within=20.0) == answered(1.0)
    finally:
        await pool.stop()


async def test_stopping_refuses_what_waits_and_what_a_worker_has_in_hand(tmp_path: Path) -> None:
    limits = PoolLimits(workers=1, max_batch_rows=1, max_waiting_rows=5, load_timeout_seconds=60.0)
    async with running(ORACLE, tmp_path, limits) as pool:
        callers = [asyncio.create_task(ask(pool, float(x), "hang", within=10.0)) for x in range(2)]
        while pool.workers[0]["state"] != "busy":  # noqa: ASYNC110  # a pool tells of no change but when asked
            await asyncio.sleep(0)
        await pool.stop()
        assert [type(one) for one in await asyncio.gather(*callers)] == [NotReady, NotReady]


async def test_a_caller_that_leaves_does_not_disturb_its_batch(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        busy = asyncio.create_task(ask(pool, 0.0, "nap"))
        await asyncio.sleep(0)
        callers = [asyncio.create_task(ask(pool, float(x))) for x in range(6)]
        await asyncio.sleep(0)
        callers[2].cancel()
        assert await busy == answered(0.0)
        rest = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(rest.pop(2), asyncio.CancelledError)
        assert rest == [answered(float(x)) for x in (0, 1, 3, 4, 5)]


async def test_more_rows_than_the_queue_holds_are_refused(tmp_path: Path) -> None:
    limits = PoolLimits(workers=1, max_batch_rows=1, max_waiting_rows=5, load_timeout_seconds=60.0)
    async with running(ORACLE, tmp_path, limits) as pool:
        found = await asyncio.gather(*(ask(pool, float(x), "nap" if x == 0 else None) for x in range(10)))
        assert sum(isinstance(one, QueueFull) for one in found) == 5


async def test_output_of_the_model_never_reaches_the_protocol(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        assert await ask(pool, 1.0, "print") == answered(1.0)


async def test_a_model_sees_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with running(ORACLE, tmp_path) as pool:
        found = await ask(pool, 1.0, "environment")
        assert isinstance(found, PredictFailed)
        assert "AWS_SECRET_ACCESS_KEY" not in found.detail.split(",")
        assert "HOME" in found.detail.split(",")


async def test_garbage_is_looked_for_but_not_among_what_was_loaded(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        found = await ask(pool, 1.0, "collector")
        assert isinstance(found, PredictFailed)
        collecting, frozen = found.detail.split(",")
        assert (collecting, int(frozen) > 100_000) == ("True", True)  # of MLflow and what it imports


async def test_draining_finishes_what_was_taken_and_refuses_what_comes(tmp_path: Path) -> None:
    async with running(ORACLE, tmp_path) as pool:
        taken = asyncio.create_task(ask(pool, 1.0, "nap"))
        await asyncio.sleep(0)
        drained = asyncio.create_task(pool.drain(10.0))
        await asyncio.sleep(0)
        assert isinstance(await ask(pool, 2.0), NotReady)
        assert await taken == answered(1.0)
        await drained
        assert pool.state is PoolState.STOPPED
        assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(
    ("on_load", "told"), [("raise", "ValueError"), ("exit", "exited with code 0"), ("segv", "SIGSEGV")]
)
async def test_a_model_that_fails_to_load_is_refused_with_the_reason(tmp_path: Path, on_load: str, told: str) -> None:
    folder = oracle(tmp_path / "model", 2, on_load)
    pool = Pool(command(folder, tmp_path), LIMITS, Metrics(CollectorRegistry()), batchable=True)
    with pytest.raises(LoadFailed, match=told):
        await pool.start()
    assert not list((tmp_path / "scratch").iterdir())


async def test_a_model_that_hangs_at_load_is_killed_at_the_timeout(tmp_path: Path) -> None:
    folder = oracle(tmp_path / "model", 2, "hang")
    limits = PoolLimits(workers=1, max_batch_rows=1, max_waiting_rows=5, load_timeout_seconds=8.0)
    pool = Pool(command(folder, tmp_path), limits, Metrics(CollectorRegistry()), batchable=True)
    with pytest.raises(LoadFailed, match="within 8 seconds"):
        await pool.start()
    assert pool._processes[0].state == "dead"
