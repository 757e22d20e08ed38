from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.batch.costs import Costs
from serve.batch.policy import Policy


@dataclass(frozen=True)
class Waiting:
    rows: int = 1
    group: str = "a"
    alone: bool = False


@pytest.mark.parametrize(
    ("waiting", "count"),
    [
        pytest.param([], 0, id="nothing waits"),
        pytest.param([Waiting()], 1, id="a lone caller goes at once"),
        pytest.param([Waiting(3), Waiting(5)], 2, id="up to the limit"),
        pytest.param([Waiting(3), Waiting(6)], 1, id="not over the limit"),
        pytest.param([Waiting(99)], 1, id="a request larger than a batch goes"),
        pytest.param([Waiting(99), Waiting(1)], 1, id="a request larger than a batch goes alone"),
        pytest.param([Waiting(), Waiting(99)], 1, id="nobody joins a request larger than a batch"),
        pytest.param([Waiting(group="a"), Waiting(group="b")], 1, id="groups do not mix"),
        pytest.param([Waiting(group="a"), Waiting(group="b"), Waiting(group="a")], 1, id="nobody overtakes"),
        pytest.param([Waiting(alone=True), Waiting()], 1, id="one whose worker died goes alone"),
        pytest.param([Waiting(), Waiting(alone=True)], 1, id="one whose worker died is not joined"),
    ],
)
def test_a_batch_takes_from_the_front_what_fits(waiting: list[Waiting], count: int) -> None:
    assert Policy(max_rows=8).count(waiting) == count


def test_a_model_that_is_not_batchable_gets_one_request_at_a_time() -> None:
    assert Policy(max_rows=8, batchable=False).count([Waiting(), Waiting()]) == 1


entries = st.builds(Waiting, st.integers(1, 12), st.sampled_from("ab"), st.sampled_from([0, 0, 0, 1]))


@given(st.lists(entries, min_size=1, max_size=20), st.integers(1, 20), st.booleans())
def test_whatever_waits_a_batch_is_small_enough_of_one_group_and_as_large_as_allowed(
    waiting: list[Waiting], max_rows: int, batchable: bool
) -> None:
    count = Policy(max_rows, batchable).count(waiting)
    batch, rest = waiting[:count], waiting[count:]
    assert count >= 1
    if count > 1:
        assert batchable
        assert sum(entry.rows for entry in batch) <= max_rows
        assert len({entry.group for entry in batch}) == 1
        assert not any(entry.alone for entry in batch)
    if rest and batchable and not (batch[0].alone or rest[0].alone) and rest[0].group == batch[0].group:
        assert sum(entry.rows for entry in batch) + rest[0].rows > max_rows


def measured(*sizes: tuple[int, float], times: int = 5) -> Costs:
    """What is known once each of these, rows and seconds, was measured so often."""
    costs = Costs()
    for rows, seconds in sizes:
        for _ in range(times):
            costs.observe(rows, seconds)
    return costs


KNEE_AT_4 = ((1, 0.010), (2, 0.011), (4, 0.012), (8, 0.024))  # a batch costs about 0.01 seconds, whatever its rows


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        pytest.param(Policy(64), 64, id="while nothing is known, what is allowed"),
        pytest.param(Policy(64, costs=measured(*KNEE_AT_4)), 4, id="the knee"),
        pytest.param(Policy(64, costs=measured(*KNEE_AT_4[:3])), 8, id="a size beyond it, to know what that costs"),
        pytest.param(Policy(64, costs=measured(*KNEE_AT_4, times=4)), 8, id="until it was measured often enough"),
        pytest.param(Policy(3, costs=measured(*KNEE_AT_4)), 3, id="never more rows than allowed"),
        pytest.param(Policy(64, max_seconds=0.0115, costs=measured(*KNEE_AT_4)), 2, id="never longer than allowed"),
        pytest.param(Policy(64, max_seconds=0.02, costs=measured(*KNEE_AT_4[:3])), 4, id="nor to know what it costs"),
        pytest.param(
            Policy(64, max_seconds=0.001, costs=measured(*KNEE_AT_4)), 1, id="a row goes however long it takes"
        ),
        pytest.param(Policy(64, max_seconds=9.9, costs=measured(*KNEE_AT_4)), 4, id="with time left, the knee"),
        pytest.param(Policy(64, max_seconds=0.001), 64, id="no time is known to be too long"),
    ],
)
def test_a_batch_has_no_more_rows_than_pay(policy: Policy, limit: int) -> None:
    assert policy.limit() == limit
    assert policy.count([Waiting()] * 100) == limit


def test_entries_of_several_rows_fill_a_batch_up_to_the_knee() -> None:
    policy = Policy(64, costs=measured(*KNEE_AT_4))
    assert policy.count([Waiting(2), Waiting(2), Waiting(1)]) == 2
    assert policy.count([Waiting(3), Waiting(2)]) == 1
    assert policy.count([Waiting(40), Waiting(1)]) == 1


@pytest.mark.parametrize(
    ("waiting", "returning", "wanted"),
    [
        pytest.param(1, 2, 3, id="those who wait and those who come back"),
        pytest.param(1, 9, 4, id="no more than a batch"),
        pytest.param(4, 2, 4, id="a full batch waits for nobody"),
        pytest.param(9, 2, 9, id="nor does more than one"),
        pytest.param(2, 0, 2, id="nobody comes back"),
        pytest.param(2, -3, 2, id="more came than were answered"),
    ],
)
def test_wanted_are_those_who_may_come_back_as_far_as_they_join_the_batch(
    waiting: int, returning: int, wanted: int
) -> None:
    assert Policy(64, costs=measured(*KNEE_AT_4)).wanted(waiting, returning) == wanted


def test_nobody_is_waited_for_who_could_not_join() -> None:
    assert Policy(64, batchable=False, costs=measured(*KNEE_AT_4)).wanted(1, 3) == 1


def test_the_longest_wait_is_what_a_batch_costs_that_it_may_save() -> None:
    assert Policy(64, costs=measured((1, 0.011), (4, 0.014))).patience() == pytest.approx(0.010)


def test_nobody_waits_long_for_callers_of_a_slow_model_who_may_not_come_back() -> None:
    assert Policy(64, costs=measured((1, 1.0), (4, 1.1))).patience() == 0.05


@pytest.mark.parametrize(
    "costs",
    [
        pytest.param(Costs(), id="nothing is known"),
        pytest.param(measured((1, 0.010), (2, 0.020)), id="a batch saves nothing"),
        pytest.param(measured((1, 0.0004), (4, 0.0005)), id="less than a timer can tell"),
    ],
)
def test_there_is_no_wait_that_does_not_pay(costs: Costs) -> None:
    assert Policy(64, costs=costs).patience() == 0.0


@dataclass(frozen=True)
class Model:
    """Costs `fixed` and `row` seconds up to `knee` rows; beyond, a row costs `worse` times what it does there."""

    fixed: float
    row: float
    knee: int
    worse: float

    def seconds(self, rows: int) -> float:
        within = self.fixed + self.row * min(rows, self.knee)
        at_knee = (self.fixed + self.row * self.knee) / self.knee
        return within + max(0, rows - self.knee) * at_knee * self.worse

    def each(self, rows: int) -> float:
        return self.seconds(rows) / rows


@dataclass(frozen=True)
class Machine:
    """Measures a model up to `noise` times too long, and, for a share of `pauses`, up to 20 times."""

    model: Model
    random: Random
    noise: float
    pauses: float

    def measure(self, rows: int) -> float:
        paused = 20.0 if self.random.random() < self.pauses else 1.0
        return self.model.seconds(rows) * self.random.uniform(1.0, 1.0 + self.noise) * self.random.uniform(1.0, paused)


models = st.builds(
    Model,
    fixed=st.floats(1e-4, 1e-1),
    row=st.floats(1e-6, 1e-2),
    knee=st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 256]),
    worse=st.floats(1.0, 4.0),
)
machines = st.builds(Machine, models, st.integers(0, 2**32).map(Random), st.floats(0, 0.5), st.floats(0, 0.05))


@settings(derandomize=True, max_examples=60)
@given(machines, st.sampled_from([64, 100, 256]), st.booleans())
def test_whatever_the_model_and_the_noise_batches_are_soon_as_cheap_as_they_can_be(
    machine: Machine, max_rows: int, busy: bool
) -> None:
    """After 600 batches, the rows of most cost within a quarter of the least they can; five lone callers came first."""
    policy, model = Policy(max_rows), machine.model
    limits: list[int] = []
    while len(limits) < 1200:
        few = 1 if len(limits) < 5 else int(max_rows ** machine.random.random())
        waiting = max_rows if busy and len(limits) >= 5 else few
        rows = policy.count([Waiting()] * waiting)
        policy.costs.observe(rows, machine.measure(rows))
        limits.append(policy.limit())
    least = min(model.each(2**at) for at in range(max_rows.bit_length()))
    typical = sorted(map(model.each, limits[600:]))[300]
    assert typical <= 1.25 * least
