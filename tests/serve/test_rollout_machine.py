"""A rollout in any order of pins, loads that end well or badly, deaths, time and stops: what is live can answer."""

import asyncio
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes import FakePool, settled
from tests.serve.test_rollout import OPTIONS, Rig, pin

PINS = [pin(f"{a}{b}", a=f"a{a}", b=f"b{b}") for a in "123" for b in "12"]


class Rollouts(RuleBasedStateMachine):
    """One rollout on a loop of its own. Every step ends when nobody can go on without something new."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()

    @initialize(hold=st.sampled_from([0.0, 1.0]))
    def begins(self, hold: float) -> None:
        async def begin() -> Rig:
            return Rig(replace(OPTIONS, hold_seconds=hold))

        self.rig = self.loop.run_until_complete(begin())
        self.pinned(PINS[0])
        self.load_succeeds()
        assert self.rig.live == PINS[0]

    @rule(desired=st.sampled_from(PINS))
    def pinned(self, desired: object) -> None:
        self.loop.run_until_complete(self.rig.pinned(desired))

    @precondition(lambda self: self.rig.loader.loading)
    @rule()
    def load_succeeds(self) -> None:
        self.rig.loader.succeeds()
        self.settle()

    @precondition(lambda self: self.rig.loader.loading)
    @rule()
    def load_fails(self) -> None:
        self.rig.loader.fails()
        self.settle()

    @rule(seconds=st.sampled_from([0.2, 0.6, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(self.rig.time.passes(seconds))

    @precondition(lambda self: self.serving)
    @rule(data=st.data(), left=st.integers(0, 1))
    def worker_dies(self, data: st.DataObject, left: int) -> None:
        pool = data.draw(st.sampled_from(self.serving))
        pool.deaths, pool.alive = pool.deaths + 1, left

    @precondition(lambda self: self.serving)
    @rule(data=st.data(), found=st.booleans())
    def worker_is_replaced_or_not(self, data: st.DataObject, found: bool) -> None:
        pool = data.draw(st.sampled_from(self.serving))
        pool.alive, pool.given_up = int(found), not found

    @rule()
    def old_requests_end(self) -> None:
        for pool in self.rig.loader.pools:
            if pool.state == "draining":
                pool.emptied.set()
        self.settle()

    @invariant()
    def what_is_live_was_started_whole_and_is_not_on_its_way_out(self) -> None:
        live, desired = self.rig.rollout.live, self.rig.rollout.desired
        assert live is not None
        assert {name: one.snapshot.digest for name, one in live.models.items()} == digests(live.pin)
        assert all(one.pool.state == "ready" for one in live.models.values())
        if live.pin != desired and not self.rig.loader.loading:
            assert self.rig.rollout.failure is not None

    @invariant()
    def at_most_one_other_generation_is_there(self) -> None:
        rollout = self.rig.rollout
        generations = [release.pools for release in (rollout.live, rollout.held) if release is not None]
        assert {pool for pool in self.rig.loader.pools if pool.state == "ready"} == set().union(*generations)
        assert self.rig.loader.loading + (rollout.held is not None) <= 1

    @property
    def serving(self) -> list[FakePool]:
        return [pool for pool in self.rig.loader.pools if pool.state == "ready"]

    def settle(self) -> None:
        self.loop.run_until_complete(settled())

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.loop.run_until_complete(self.rig.close())
            assert {pool.state for pool in self.rig.loader.pools} == {"stopped"}
            assert self.rig.loader.loading == 0
            assert asyncio.all_tasks(self.loop) == set()
        self.loop.close()


def digests(desired: object) -> dict[str, str]:
    return {model.name: model.digest for model in desired.models}


Rollouts.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestRollouts = Rollouts.TestCase
