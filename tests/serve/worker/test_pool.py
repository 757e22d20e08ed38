"""A pool of workers that are fakes: which device each has, and what a warm-up finds out."""

import asyncio

import pytest

from serve.errors import QueueFull
from tests.serve.worker.crew import ROW, Crew, FakeWorker, running


@pytest.mark.parametrize(
    ("devices", "taken"),
    [
        pytest.param((), ["", "", ""], id="MLflow chooses"),
        pytest.param(("cpu",), ["cpu", "cpu", "cpu"], id="one for all"),
        pytest.param(("cuda:0", "cuda:1"), ["cuda:0", "cuda:1", "cuda:0"], id="fewer than workers"),
        pytest.param(("cuda:3", "cuda:2", "cuda:1", "cuda:0"), ["cuda:3", "cuda:2", "cuda:1"], id="more than workers"),
    ],
)
async def test_workers_take_devices_in_turn(devices: tuple[str, ...], taken: list[str]) -> None:
    crew = Crew()
    async with running(crew, workers=3, devices=devices):
        assert crew.devices == taken


async def test_who_replaces_a_worker_takes_its_device() -> None:
    crew = Crew()
    async with running(crew, workers=2, devices=("cuda:0", "cuda:1")) as pool:
        crew.hired.clear()
        second = pool._processes[1]
        assert isinstance(second, FakeWorker)
        second.die()
        await crew.hired.wait()
        assert crew.devices == ["cuda:0", "cuda:1", "cuda:1"]


async def test_a_warm_up_goes_one_size_beyond_the_one_from_which_on_rows_get_no_cheaper() -> None:
    crew = Crew(lambda rows: 0.001 * max(1.0, rows / 8))
    async with running(crew) as pool:
        await pool.warm(ROW, 10.0)
        assert set(crew.batches) == {1, 2, 4, 8, 16}
        assert pool._policy.limit() == 8


async def test_a_warm_up_goes_no_further_than_batches_may() -> None:
    crew = Crew(lambda rows: 0.001)
    async with running(crew, rows=6) as pool:
        await pool.warm(ROW, 10.0)
        assert max(crew.batches) == 4
        assert pool._policy.limit() == 6


async def test_what_batches_cost_bounds_those_that_come() -> None:
    crew = Crew(lambda rows: 0.0001 * rows)
    async with running(crew) as pool:
        await pool.warm(ROW, 10.0)
        crew.batches.clear()
        assert await asyncio.gather(*(pool.predict(ROW, 10.0) for _ in range(20))) == [ROW.value] * 20
        assert crew.batches == [1] * 20


async def test_a_full_queue_says_so_before_anything_is_asked() -> None:
    async with running(Crew(), waiting=2) as pool:
        pool.require_room(10.0)
        entries = [pool.ask(ROW, 10.0) for _ in range(2)]
        with pytest.raises(QueueFull, match="model 'digits' has 2 rows waiting"):
            pool.require_room(10.0)
        await asyncio.gather(*(entry.reply for entry in entries))
        pool.require_room(10.0)
