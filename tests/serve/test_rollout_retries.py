"""Row A-1: how a release that failed is tried again."""

import itertools
from collections.abc import Callable
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from serve.artifact.pin import Pin, PinnedModel
from serve.errors import ListingRefused, PullFailed, RolloutFailed
from serve.loader import Loader
from serve.metrics import Metrics
from serve.rollout import Rollout
from tests.fakes import FakeLoader, FakeSleep, StoryOver
from tests.serve.test_rollout import OPTIONS

PIN = Pin("0" * 32 + ".dir", 1, 1, (PinnedModel("a", "sha256:" + "0" * 64),))


async def pauses(chance: Callable[[], float], error: RolloutFailed) -> list[float]:
    """Those after each of eight failures."""
    loader, sleep = FakeLoader(), FakeSleep([lambda: None] * 7)
    for _ in range(8):
        loader.verdicts.put_nowait(error)
    rollout = Rollout(cast(Loader, loader), OPTIONS, Metrics(CollectorRegistry()), sleep, chance)
    with pytest.raises(StoryOver):
        await rollout._until_live(PIN)
    return sleep.slept


async def test_a1_each_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    assert await pauses(lambda: 0.0, PullFailed("x")) == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


async def test_a1_servers_that_failed_together_try_again_apart_and_six_times_a_minute_at_most() -> None:
    found = await pauses(lambda: 0.999, PullFailed("x"))
    assert found[0] == pytest.approx(1.5, abs=0.01)
    assert found[-1] == pytest.approx(45.0, abs=0.1)
    tries = [0.0, *itertools.accumulate(found)]
    assert max(sum(at <= other < at + 60.0 for other in tries) for at in tries) == 6


async def test_what_another_try_can_not_help_is_not_tried_again() -> None:
    loader, sleep = FakeLoader(), FakeSleep([])
    loader.verdicts.put_nowait(ListingRefused("x"))
    rollout = Rollout(cast(Loader, loader), OPTIONS, Metrics(CollectorRegistry()), sleep)
    await rollout._until_live(PIN)
    assert sleep.slept == []
    assert rollout.failure is not None
    assert rollout.failure.code == "listing_refused"
