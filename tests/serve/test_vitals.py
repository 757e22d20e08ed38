"""How late the event loop comes, and how full the disk is, as they are looked at."""

import asyncio
import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from serve.metrics import Metrics
from serve.vitals import Vitals
from tests.fakes import FakeClock


class Late:
    """A sleep that ends so many seconds late, and never after the last of them."""

    def __init__(self, clock: FakeClock, *late: float) -> None:
        self._clock, self._late = clock, iter(late)
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        late = next(self._late, None)
        if late is None:
            self.over.set()
            await asyncio.Event().wait()
        else:
            self._clock.advance(seconds + late)


async def told(state: Path, *late: float) -> str:
    """The metrics after looks that came so late."""
    metrics, clock = Metrics(CollectorRegistry()), FakeClock()
    sleep = Late(clock, *late)
    following = asyncio.create_task(Vitals(metrics, state, sleep, clock).follow())
    await sleep.over.wait()
    following.cancel()
    await asyncio.wait((following,))
    return generate_latest(metrics.registry).decode()


async def test_the_loop_s_lag_is_by_how_much_it_comes_late(tmp_path: Path) -> None:
    text = await told(tmp_path, 0.0, 0.003, 2.0)
    assert 'pinion_event_loop_lag_seconds_bucket{le="0.0025"} 1.0' in text
    assert 'pinion_event_loop_lag_seconds_bucket{le="0.005"} 2.0' in text
    assert 'pinion_event_loop_lag_seconds_bucket{le="1.0"} 2.0' in text
    assert "pinion_event_loop_lag_seconds_count 3.0" in text


async def test_the_disk_is_that_of_the_state_folder(tmp_path: Path) -> None:
    text = await told(tmp_path)
    size = next(line.split()[1] for line in text.splitlines() if line.startswith("pinion_state_disk_size_bytes "))
    assert float(size) == pytest.approx(shutil.disk_usage(tmp_path).total)
    assert "\npinion_state_disk_free_bytes " in text


async def test_of_a_disk_that_is_gone_nothing_is_told(tmp_path: Path) -> None:
    text = await told(tmp_path / "gone", 0.0)
    assert "\npinion_state_disk_size_bytes " not in text
    assert "pinion_event_loop_lag_seconds_count 1.0" in text
