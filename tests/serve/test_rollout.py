"""What goes live, is held, falls back and leaves, in which order; with pools that are only counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from serve.artifact.commits import Origin
from serve.artifact.pin import Pin, PinnedModel
from serve.artifact.snapshot import Snapshot
from serve.errors import PinUnreadable, PullFailed
from serve.loader import Deployed, Loader
from serve.metrics import Metrics
from serve.rollout import Live, Rollout, RolloutOptions
from serve.worker.pool import Pool, PoolLimits
from serve.worker.process import Command
from tests.fakes import FakeLoader, FakePool, FakeSnapshot, Hourglass, settled

OPTIONS = RolloutOptions(
    drain_timeout_seconds=60.0, first_retry_seconds=2.0, longest_retry_seconds=60.0, hold_seconds=5.0, fall_back_after=3
)


def pin(oid: str, **digests: str) -> Pin:
    """A pin of models with these digests."""
    return Pin(f"{oid}.dir", 1, 1, tuple(PinnedModel(name, digest) for name, digest in digests.items()))


FIRST, SECOND, THIRD = (pin(number, a=f"a{number}", b="b") for number in "123")


class Rig:
    """A rollout that follows the pins it is given."""

    def __init__(self, options: RolloutOptions = OPTIONS) -> None:
        self.loader, self.metrics, self.time = FakeLoader(), Metrics(CollectorRegistry()), Hourglass()
        self.rollout = Rollout(cast(Loader, self.loader), options, self.metrics, self.time)
        self._pins: asyncio.Queue[Pin | PinUnreadable] = asyncio.Queue()
        self.following = asyncio.create_task(self.rollout.follow(self._follow()))

    async def _follow(self) -> AsyncIterator[Pin | PinUnreadable]:
        while True:
            yield await self._pins.get()

    async def pinned(self, desired: Pin | PinUnreadable) -> None:
        """Git asks for `desired`; its load begins, where there must be one."""
        self._pins.put_nowait(desired)
        await settled()

    async def goes_live(self, desired: Pin) -> None:
        await self.pinned(desired)
        self.loader.succeeds()
        await settled()
        assert self.live == desired

    async def close(self) -> None:
        self.following.cancel()
        await asyncio.wait((self.following,))
        for pool in self.loader.pools:
            pool.emptied.set()
        await self.rollout.close()

    @property
    def live(self) -> Pin | None:
        return self.rollout.live.pin if self.rollout.live else None

    @property
    def held(self) -> Pin | None:
        return self.rollout.held.pin if self.rollout.held else None

    @property
    def failure(self) -> tuple[str, str] | None:
        found = self.rollout.failure
        return (found.code, found.message) if found is not None else None

    def pool(self, name: str = "a") -> FakePool:
        return cast(FakePool, self.rollout.models[name].pool)

    def outcome(self, name: str) -> float:
        return self.metrics.rollouts.labels(name)._value.get()


@asynccontextmanager
async def running(options: RolloutOptions = OPTIONS) -> AsyncIterator[Rig]:
    rig = Rig(options)
    try:
        yield rig
    finally:
        await rig.close()


async def test_the_release_before_is_held_for_its_time_and_drained_then() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        old, shared = rig.pool("a"), rig.pool("b")
        await rig.goes_live(SECOND)
        assert rig.pool("b") is shared
        await rig.time.passes(4.5)
        assert (rig.held, old.state) == (FIRST, "ready")
        await rig.time.passes(1.0)
        assert (rig.held, old.state, shared.state) == (None, "draining", "ready")


async def test_without_a_hold_the_old_is_drained_at_once() -> None:
    async with running(replace(OPTIONS, hold_seconds=0.0)) as rig:
        await rig.goes_live(FIRST)
        old = rig.pool()
        await rig.goes_live(SECOND)
        await settled()
        assert (rig.held, old.state) == (None, "draining")


async def test_a_release_whose_workers_die_falls_back_and_is_not_tried_again() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        old, shared = rig.pool("a"), rig.pool("b")
        await rig.goes_live(SECOND)
        failed = rig.pool()
        failed.deaths = 2
        await rig.time.passes(1.0)
        assert rig.live == SECOND
        failed.deaths = 3
        await rig.time.passes(0.2)
        assert (rig.live, rig.rollout.desired, rig.held) == (FIRST, SECOND, None)
        assert (old.state, shared.state, failed.state) == ("ready", "ready", "stopped")
        assert rig.rollout.failure is not None
        assert rig.rollout.failure.code == "fell_back"
        assert "3 workers died within 1 seconds" in rig.rollout.failure.message
        assert (rig.outcome("fell_back"), rig.outcome("live")) == (1.0, 2.0)
        await rig.time.passes(600.0)
        assert (rig.live, rig.loader.loading) == (FIRST, 0)


async def test_deaths_of_a_model_that_was_live_before_are_not_the_release_s_fault() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        rig.pool("b").deaths = 99
        await rig.time.passes(1.0)
        assert rig.live == SECOND


async def test_a_release_left_without_a_worker_falls_back_at_once() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        rig.pool().given_up = True
        await rig.time.passes(0.2)
        assert rig.live == FIRST
        assert rig.rollout.failure is not None
        assert "model 'a' had no worker left" in rig.rollout.failure.message


async def test_it_does_not_fall_back_to_what_can_not_answer() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        old = rig.pool()
        await rig.goes_live(SECOND)
        old.alive = 0
        rig.pool().deaths = 3
        await rig.time.passes(1.0)
        assert rig.live == SECOND
        old.alive = 1
        await rig.time.passes(0.2)
        assert rig.live == FIRST


async def test_a_release_without_a_worker_when_the_hold_ends_is_given_time_to_find_one() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        rig.pool().alive = 0
        await rig.time.passes(8.0)
        assert rig.held == FIRST
        rig.pool().alive = 1
        await rig.time.passes(0.2)
        assert (rig.live, rig.held) == (SECOND, None)


async def test_a_switch_back_to_what_is_held_prepares_and_loads_nothing() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        prepared = len(rig.loader.prepared)
        for desired in (FIRST, SECOND, FIRST):
            await rig.pinned(desired)
            assert rig.live == desired
        assert (len(rig.loader.prepared), rig.held) == (prepared, SECOND)
        assert len(rig.loader.pools) == 3


async def test_a_release_that_no_commit_vouches_for_is_refused_though_its_models_are_warm() -> None:
    """Each may have been live already, in releases that were signed; never both together."""
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(replace(SECOND, oid="4.dir"))
        mixed = pin("5", a="a1", b="b")
        rig.loader.refused.append(mixed)
        await rig.pinned(mixed)
        assert rig.live == replace(SECOND, oid="4.dir")
        assert rig.outcome("commit_unverified") == 1
        rig.loader.refused.clear()
        await rig.time.passes(2.0)
        assert rig.live == mixed


async def test_a_release_from_an_older_commit_than_the_one_before_is_told_so() -> None:
    async with running() as rig:
        old, new = Origin("a", "2024-01-01T23:00:00-05:00"), Origin("b", "2024-01-02T05:00:00+00:00")
        rig.loader.origins = {FIRST.oid: old, SECOND.oid: new}
        for desired, older in ((FIRST, False), (SECOND, False)):
            await rig.goes_live(desired)
            assert rig.rollout.live is not None
            assert rig.rollout.live.older_than_previous is older
        await rig.pinned(FIRST)
        assert (rig.rollout.live.origin, rig.rollout.live.older_than_previous) == (old, True)
        await rig.goes_live(THIRD)  # of which git knows nothing
        assert rig.rollout.live.older_than_previous is False


async def test_a_third_release_lets_go_of_the_one_held_before_it_loads() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        old = rig.pool()
        await rig.goes_live(SECOND)
        await rig.pinned(THIRD)
        assert (rig.loader.loading, rig.held, old.state) == (1, None, "draining")
        rig.loader.succeeds()
        await settled()
        assert (rig.live, rig.held) == (THIRD, SECOND)


async def test_a_third_that_can_not_be_loaded_changes_nothing() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        await rig.pinned(THIRD)
        rig.loader.fails()
        await settled()
        assert (rig.live, rig.pool().state) == (SECOND, "ready")
        assert rig.rollout.failure is not None
        assert rig.rollout.failure.code == "load_failed"


async def test_a_pin_that_names_the_same_bytes_does_not_end_the_hold() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        await rig.pinned(replace(SECOND, oid="4.dir"))
        assert (rig.live, rig.held) == (replace(SECOND, oid="4.dir"), FIRST)
        rig.pool().deaths = 3
        await rig.time.passes(0.2)
        assert rig.live == FIRST


async def test_the_newest_pin_wins_over_one_that_is_being_loaded() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.pinned(SECOND)
        await rig.pinned(FIRST)
        assert (rig.live, rig.loader.loading, rig.rollout.failure) == (FIRST, 0, None)
        assert rig.outcome("superseded") == 1.0


async def test_once_git_changes_a_release_that_fell_back_is_tried_again() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        rig.pool().deaths = 3
        await rig.time.passes(0.2)
        await rig.pinned(FIRST)
        assert (rig.live, rig.rollout.failure) == (FIRST, None)
        await rig.goes_live(SECOND)


async def test_who_stands_in_is_what_is_live_else_what_is_held() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        first = dict(rig.rollout.models)
        assert rig.rollout.stand_in(first["a"]) is None
        await rig.goes_live(SECOND)
        second = dict(rig.rollout.models)
        assert rig.rollout.stand_in(second["a"]) is first["a"]
        assert rig.rollout.stand_in(first["a"]) is second["a"]
        assert rig.rollout.stand_in(first["b"]) is None


async def test_what_is_live_held_or_leaving_is_not_collected() -> None:
    async with running() as rig:
        for desired in (FIRST, SECOND, THIRD):
            await rig.goes_live(desired)
        assert rig.loader.used == {"a1", "a2", "a3", "b"}


async def test_after_a_quick_rollback_the_old_pool_does_not_take_the_new_one_s_metric(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    rollout = Rollout(cast(Loader, FakeLoader()), replace(OPTIONS, hold_seconds=0.0), metrics)
    command = Command("a", "sha256:0", tmp_path, tmp_path, threads=1, state=tmp_path)
    limits = PoolLimits(workers=1, max_batch_rows=64, max_waiting_rows=1000, load_timeout_seconds=60.0)
    old, new = (Pool(command, limits, metrics, batchable=True) for _ in range(2))
    snapshot = cast(Snapshot, FakeSnapshot("a", "sha256:0"))
    for pool in (old, new):
        rollout._switch(Live(FIRST, {"a": Deployed(snapshot, "abc", pool, "now", ())}))
    await asyncio.gather(*rollout._leaving)
    assert {sample.labels["digest"] for sample in next(metrics.workers.collect()).samples} == {"sha256:0"}


async def test_stopping_in_the_middle_of_a_switch_lets_the_old_attempt_clean_up() -> None:
    rig = Rig()
    cleaning, may_leave = asyncio.Event(), asyncio.Event()

    class Reluctant(FakeLoader):
        async def load(self, snapshots: object, pin: Pin) -> dict[str, object]:
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                await may_leave.wait()
            return {}

    rig.rollout._loader = cast(Loader, Reluctant())
    await rig.pinned(FIRST)
    await rig.pinned(SECOND)
    await cleaning.wait()
    rig.following.cancel()
    await settled()
    assert not rig.following.done()
    may_leave.set()
    with pytest.raises(asyncio.CancelledError):
        await rig.following
    assert rig.rollout.live is None
    await rig.close()


async def test_each_attempt_is_told_by_its_outcome_the_newest_last() -> None:
    async with running() as rig:
        rig.loader.origins[FIRST.oid] = Origin("4f2b", "2026-01-01T00:00:00Z")
        await rig.goes_live(FIRST)
        await rig.pinned(SECOND)
        assert [one.outcome for one in rig.rollout.attempts] == ["live", "running"]
        await rig.goes_live(THIRD)
        told = [(one.models["a"], one.outcome, one.revision) for one in rig.rollout.attempts]
        assert told == [("a1", "live", "4f2b"), ("a2", "superseded", ""), ("a3", "live", "")]


async def test_an_attempt_that_fails_says_why_and_counts_its_tries() -> None:
    async with running() as rig:
        await rig.pinned(FIRST)
        rig.loader.verdicts.put_nowait(PullFailed("no remote"))
        await settled()
        await rig.time.passes(2.0)
        rig.loader.verdicts.put_nowait(PullFailed("no remote"))
        await settled()
        (told,) = rig.rollout.attempts
        assert (told.outcome, told.reason, told.tries) == ("pull_failed", "no remote", 2)


async def test_an_attempt_that_fell_back_is_live_no_more() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.goes_live(SECOND)
        rig.pool("a").deaths = 3
        await rig.time.passes(1.0)
        assert [one.outcome for one in rig.rollout.attempts] == ["live", "fell_back"]
        assert "3 workers died" in [*rig.rollout.attempts][-1].reason


async def test_while_the_pin_is_unreadable_it_is_told_and_the_release_is_kept() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.pinned(PinUnreadable("models.dvc is empty"))
        assert rig.failure == ("pin_unreadable", "models.dvc is empty")
        assert (rig.live, rig.rollout.ready, rig.outcome("pin_unreadable")) == (FIRST, True, 1.0)
        await rig.pinned(FIRST)
        assert (rig.live, rig.failure, rig.outcome("live")) == (FIRST, None, 1.0)
        assert [one.outcome for one in rig.rollout.attempts] == ["live", "pin_unreadable"]


async def test_a_release_on_its_way_goes_live_while_the_next_pin_is_unreadable() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.pinned(SECOND)
        await rig.pinned(PinUnreadable("models.dvc is empty"))
        rig.loader.succeeds()
        await settled()
        assert (rig.live, rig.failure) == (SECOND, ("pin_unreadable", "models.dvc is empty"))
        assert [one.outcome for one in rig.rollout.attempts] == ["live", "pin_unreadable", "live"]


async def test_what_failed_before_the_pin_was_unreadable_is_told_again_after_it() -> None:
    async with running() as rig:
        await rig.goes_live(FIRST)
        await rig.pinned(SECOND)
        rig.loader.fails()
        await settled()
        before = rig.failure
        await rig.pinned(PinUnreadable("models.dvc is empty"))
        assert rig.failure != before
        await rig.pinned(SECOND)
        assert before is not None
        assert rig.failure == before
