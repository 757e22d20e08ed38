"""A rollout that is overtaken, stopped and rolled back at awkward moments; no DVC, no children."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from serve.artifact.fetch import Store
from serve.artifact.pin import Pin
from serve.artifact.snapshot import Snapshot
from serve.metrics import Metrics
from serve.rollout import Deployed, Live, Rollout, RolloutOptions
from serve.worker.environment import EnvironmentPolicy
from serve.worker.pool import Pool, PoolLimits
from serve.worker.process import Command

LIMITS = PoolLimits(workers=1, max_batch_rows=64, max_waiting_rows=1000, load_timeout_seconds=60.0)
OPTIONS = RolloutOptions(LIMITS, 1, EnvironmentPolicy.AUTO, *[60.0] * 6)
FIRST, SECOND = (Pin(f"{number}.dir", 1, 1, ()) for number in (1, 2))


class Reluctant(Rollout):
    """Never live, and slow to leave: a cancelled release waits for `may_leave`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Store(folder, folder), OPTIONS, Metrics(CollectorRegistry()))
        self.began, self.leaving, self.may_leave = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.cleaned = False

    async def release(self, pin: Pin) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leaving.set()
            await self.may_leave.wait()
            self.cleaned = True


async def test_stopping_in_the_middle_of_a_switch_stops_and_lets_the_old_attempt_clean_up(tmp_path: Path) -> None:
    rollout = Reluctant(tmp_path)

    async def pins() -> AsyncIterator[Pin]:
        yield FIRST
        await rollout.began.wait()
        yield SECOND
        await asyncio.Event().wait()

    following = asyncio.create_task(rollout.follow(pins()))
    await rollout.leaving.wait()
    following.cancel()
    await asyncio.sleep(0)
    rollout.may_leave.set()
    async with asyncio.timeout(5.0):
        with pytest.raises(asyncio.CancelledError):
            await following
    assert rollout.desired == FIRST
    assert rollout.cleaned


async def test_after_a_quick_rollback_the_old_pool_does_not_take_the_new_one_s_metric(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    rollout = Rollout(Store(tmp_path, tmp_path), OPTIONS, metrics)
    command = Command("oracle", "sha256:0", tmp_path, tmp_path, threads=1, state=tmp_path)
    old, new = (
        Deployed(cast(Snapshot, None), "abc", Pool(command, LIMITS, metrics, batchable=True), "now", {})
        for _ in range(2)
    )
    rollout.live = Live(FIRST, {"oracle": new})
    new.pool.count()
    rollout._retire(old)
    await asyncio.gather(*rollout._draining)
    assert {sample.labels["digest"] for sample in metrics.workers.collect()[0].samples} == {"sha256:0"}
