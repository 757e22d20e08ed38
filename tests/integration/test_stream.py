"""Answers in chunks from real children: errors, deaths, leavers, slow readers, neighbours, drain.

Most tests share a pool of one worker, `alone`, so that an answer proves the worker free again; or of two, `pair`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from serve.artifact.snapshot import signature
from serve.batch.chunks import Chunks
from serve.errors import (
    DeadlineExceeded,
    InvalidInputs,
    NotReady,
    PredictFailed,
    QueueFull,
    ReadTooSlowly,
    WorkerCrashed,
    WorkerDied,
)
from serve.metrics import Metrics
from serve.signature import payload
from serve.signature.binding import Bound, bind
from serve.signature.predictions import to_json
from serve.worker.confinement import Confinement
from serve.worker.pool import Pool, PoolLimits, PoolState
from serve.worker.process import Command
from tests.models import TELLER

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNATURE = signature(TELLER)
FOREVER = 10**9


@asynccontextmanager
async def running(state: Path, workers: int = 1) -> AsyncIterator[Pool]:
    diaries = Confinement(writable=(state.parent,))
    command = Command("teller", "sha256:0", TELLER, Path(sys.executable), threads=1, state=state, confinement=diaries)
    limits = PoolLimits(workers, max_batch_rows=64, max_waiting_rows=1, load_timeout_seconds=60.0)
    pool = Pool(command, limits, Metrics(CollectorRegistry()), batchable=True)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pool]:
    async with running(tmp_path_factory.mktemp("alone")) as pool:
        yield pool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pool]:
    async with running(tmp_path_factory.mktemp("pair"), workers=2) as pool:
        yield pool


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


def noted(diary: Path) -> list[str]:
    """What the model did: the numbers it came to, and whether its generator was closed."""
    return diary.read_text().split()


def request(count: int = 3, fault: str | None = None, diary: Path | None = None, **params: Any) -> Bound:
    row = {"prompt": "w", "count": count, "fault": fault, "diary": str(diary) if diary else None}
    return bind(payload.parse({"dataframe_records": [row], "params": params}), SIGNATURE)


async def tell(pool: Pool, within: float = 30.0, **asked: Any) -> Chunks:
    return await pool.stream(request(**asked), within)


async def taken(chunks: Chunks, most: int = FOREVER) -> list[Any]:
    """The chunks up to the end, or so many of them."""
    found: list[Any] = []
    while len(found) < most:
        try:
            value = await anext(chunks)
        except StopAsyncIteration:
            break
        found.append(orjson.loads(to_json(value))["predictions"])
    return found


async def answer(pool: Pool) -> Any:
    """A whole answer: a worker is free for it."""
    return orjson.loads(to_json(await pool.predict(request(count=1), 30.0)))["predictions"]


async def test_chunks_come_as_the_model_yields_them_and_end(alone: Pool) -> None:
    assert alone.streams
    before = alone._metrics.chunks.labels("teller")._value.get()
    chunks = await tell(alone, mark="!")
    assert await taken(chunks) == ["w 0!", "w 1!", "w 2!"]
    assert chunks.over.result() == "ok"
    assert alone._metrics.chunks.labels("teller")._value.get() == before + 3
    assert await answer(alone) == ["w 0"]


async def test_a_chunk_may_be_any_output_and_none_is_taken_for_the_end(alone: Pool) -> None:
    found = await taken(await tell(alone, count=1, fault="kinds 0"))
    assert found == ["é\n", 1.5, None, None, True, {"a": 1}, [1, 2], [{"a": 1}], "w 0"]


async def test_a_large_chunk_arrives_whole(alone: Pool) -> None:
    assert [len(chunk) for chunk in await taken(await tell(alone, count=1, fault="large 0"))] == [10_000_000, 3]


async def test_an_error_before_the_first_chunk_is_a_refusal(alone: Pool) -> None:
    with pytest.raises(PredictFailed) as failed:
        await tell(alone, fault="raise 0")
    assert "hunter2" not in failed.value.message
    assert await answer(alone) == ["w 0"]


@pytest.mark.parametrize("fault", ["raise 2", "unsayable 2"])
async def test_an_error_after_the_first_chunk_ends_the_stream_and_costs_no_worker(
    alone: Pool, diary: Path, fault: str
) -> None:
    pid = alone.workers[0]["pid"]
    chunks = await tell(alone, fault=fault, diary=diary)
    assert await taken(chunks, most=2) == ["w 0", "w 1"]
    with pytest.raises(PredictFailed):
        await anext(chunks)
    assert chunks.over.result() == "predict_failed"
    assert await answer(alone) == ["w 0"]
    assert alone.workers[0]["pid"] == pid
    assert noted(diary)[-1] == "closed"


async def test_more_rows_than_one_are_refused_by_mlflow_without_repeating_them(alone: Pool) -> None:
    rows = [{"prompt": "hunter2", "count": 1}] * 2
    with pytest.raises(InvalidInputs, match="'predict_stream' requires single input") as refused:
        await alone.stream(bind(payload.parse({"dataframe_records": rows}), SIGNATURE), 30.0)
    assert "hunter2" not in refused.value.message


async def test_a_caller_that_leaves_closes_the_models_generator_and_frees_the_worker(alone: Pool, diary: Path) -> None:
    pid = alone.workers[0]["pid"]
    chunks = await tell(alone, count=FOREVER, diary=diary)
    await taken(chunks, most=2)
    chunks.close()
    assert await answer(alone) == ["w 0"]
    assert noted(diary)[-1] == "closed"
    assert chunks.over.result() == "cancelled"
    assert alone.workers[0]["pid"] == pid


async def test_a_caller_that_leaves_before_the_first_chunk_closes_the_generator_too(alone: Pool, diary: Path) -> None:
    caller = asyncio.create_task(tell(alone, count=FOREVER, diary=diary))
    while alone.workers[0]["state"] != "busy":  # noqa: ASYNC110  # a pool tells of no change but when asked
        await asyncio.sleep(0)
    caller.cancel()
    assert await answer(alone) == ["w 0"]
    assert noted(diary) == ["0", "closed"]


async def test_an_error_while_closing_is_nobodys_and_costs_no_worker(alone: Pool) -> None:
    pid = alone.workers[0]["pid"]
    chunks = await tell(alone, count=FOREVER, fault="raise end")
    chunks.close()
    assert await answer(alone) == ["w 0"]
    assert (chunks.over.result(), alone.workers[0]["pid"]) == ("cancelled", pid)


async def test_a_model_that_hangs_while_closing_is_replaced(alone: Pool) -> None:
    pid = alone.workers[0]["pid"]
    chunks = await tell(alone, within=1.0, count=FOREVER, fault="hang end")
    chunks.close()
    assert await answer(alone) == ["w 0"]
    assert (chunks.over.result(), alone.workers[0]["pid"] != pid) == ("cancelled", True)


async def test_a_chunk_that_takes_too_long_ends_the_stream_and_its_worker_is_replaced(alone: Pool) -> None:
    chunks = await tell(alone, within=1.0, fault="hang 2")
    with pytest.raises(DeadlineExceeded):
        await taken(chunks)
    assert chunks.over.result() == "deadline_exceeded"
    assert await answer(alone) == ["w 0"]


async def test_a_reader_that_sleeps_loses_its_stream_and_not_the_worker(alone: Pool, diary: Path) -> None:
    pid = alone.workers[0]["pid"]
    chunks = await tell(alone, within=1.0, count=FOREVER, diary=diary)
    assert await answer(alone) == ["w 0"]
    assert noted(diary) == ["0", "closed"]
    assert await taken(chunks, most=1) == ["w 0"]
    with pytest.raises(ReadTooSlowly):
        await anext(chunks)
    assert alone.workers[0]["pid"] == pid


async def test_the_model_is_never_further_ahead_than_one_chunk(pair: Pool, diary: Path) -> None:
    chunks = await tell(pair, count=FOREVER, diary=diary)
    await taken(chunks, most=3)
    for _ in range(5):
        await answer(pair)
    assert noted(diary) == ["0", "1", "2", "3"]
    chunks.close()


async def test_a_worker_that_dies_before_the_first_chunk_is_tried_again_once(alone: Pool) -> None:
    before = alone._metrics.worker_deaths.labels("teller")._value.get()
    with pytest.raises(WorkerCrashed, match="exited with code 0"):
        await tell(alone, fault="exit 0")
    assert await answer(alone) == ["w 0"]
    assert alone._metrics.worker_deaths.labels("teller")._value.get() == before + 2


async def test_a_worker_that_dies_in_a_stream_ends_it_with_an_error_and_it_is_not_tried_again(
    alone: Pool, diary: Path
) -> None:
    chunks = await tell(alone, count=5, fault="exit 3", diary=diary)
    assert await taken(chunks, most=3) == ["w 0", "w 1", "w 2"]
    with pytest.raises(WorkerDied, match="exited with code 0"):
        await anext(chunks)
    assert chunks.over.result() == "worker_died"
    assert await answer(alone) == ["w 0"]
    assert noted(diary) == ["0", "1", "2"]


async def test_a_worker_killed_between_two_chunks_is_told(alone: Pool) -> None:
    chunks = await tell(alone, count=FOREVER)
    await taken(chunks, most=2)
    os.kill(alone.workers[0]["pid"], signal.SIGKILL)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        await taken(chunks)
    assert await answer(alone) == ["w 0"]


async def test_two_workers_stream_at_once_and_a_third_caller_waits_for_either(pair: Pool) -> None:
    first, second = await tell(pair, count=FOREVER), await tell(pair, count=FOREVER)
    assert await taken(first, most=2) == await taken(second, most=2) == ["w 0", "w 1"]
    third = asyncio.create_task(tell(pair))
    await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        await tell(pair)
    second.close()
    assert await taken(await third) == ["w 0", "w 1", "w 2"]
    assert await taken(first, most=1) == ["w 2"]
    first.close()


async def test_whole_answers_go_on_beside_a_stream(pair: Pool) -> None:
    chunks = await tell(pair, count=FOREVER)
    for number in range(5):
        assert await answer(pair) == ["w 0"]
        assert await taken(chunks, most=1) == [f"w {number}"]
    chunks.close()


async def test_draining_lets_a_stream_finish_and_takes_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as pool:
        chunks = await tell(pool)
        drained = asyncio.create_task(pool.drain(30.0))
        await asyncio.sleep(0)
        with pytest.raises(NotReady):
            await tell(pool)
        assert await taken(chunks) == ["w 0", "w 1", "w 2"]
        await drained
        assert (pool.state, chunks.over.result()) == (PoolState.STOPPED, "ok")


async def test_a_stream_that_outlasts_the_drain_ends_with_an_error(tmp_path: Path) -> None:
    async with running(tmp_path) as pool:
        chunks = await tell(pool, count=FOREVER)
        await pool.drain(0.1)
        assert await taken(chunks, most=1) == ["w 0"]
        with pytest.raises(NotReady, match="was stopped"):
            await anext(chunks)
        assert chunks.over.result() == "not_ready"
        assert not list((tmp_path / "scratch").iterdir())
