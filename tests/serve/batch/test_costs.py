import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.batch.costs import Costs


def costs(*measured: tuple[int, float], times: int = 1) -> Costs:
    """What is known once each of these, rows and seconds, was measured that often, in their order."""
    found = Costs()
    for rows, seconds in measured:
        for _ in range(times):
            found.observe(rows, seconds)
    return found


FIXED = ((1, 1.1), (2, 1.2), (4, 1.4), (8, 1.8), (16, 2.6))  # a second for any batch, and a tenth for each row


def test_before_anything_is_measured_nothing_is_known() -> None:
    assert (Costs().knee(), Costs().untried(), Costs().within(1.0), Costs().fixed()) == (None, None, 1, 0.0)


@pytest.mark.parametrize(
    ("measured", "knee"),
    [
        pytest.param([(8, 1.0)], 8, id="all that is known"),
        pytest.param(FIXED, 16, id="rows get cheaper still"),
        pytest.param([(1, 1.0), (2, 1.1), (4, 1.2), (8, 2.4), (16, 4.8)], 4, id="rows get no cheaper"),
        pytest.param([(1, 1.0), (2, 1.1), (4, 3.0)], 2, id="rows get dearer"),
        pytest.param([(4, 1.03), (8, 2.0)], 4, id="within a few hundredths the smaller will do"),
        pytest.param([(4, 1.07), (8, 2.0)], 8, id="beyond them it will not"),
        pytest.param([(16, 1.6), (4, 0.4)], 4, id="in whatever order they were measured"),
        pytest.param([(4, 0.0), (8, 1.0)], 4, id="no time at all"),
    ],
)
def test_the_knee_is_the_smallest_size_whose_rows_cost_about_as_little_as_they_can(
    measured: list[tuple[int, float]], knee: int
) -> None:
    assert costs(*measured).knee() == knee


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16), (1000, 1024)])
def test_sizes_are_powers_of_two_that_hold_the_rows_measured(rows: int, size: int) -> None:
    assert costs((rows, 1.0)).knee() == size


def test_batches_of_other_rows_and_one_size_are_known_by_what_a_row_costs() -> None:
    assert costs((3, 3.0), (4, 4.0), (2, 2.2)).knee() == 4


def test_the_size_beyond_the_knee_is_untried_until_it_was_measured_often_enough() -> None:
    found = costs((1, 1.0), (2, 1.0))
    assert (found.knee(), found.untried()) == (2, 4)
    for _ in range(4):
        found.observe(4, 9.0)
        assert found.untried() == 4
    found.observe(4, 9.0)
    assert (found.knee(), found.untried()) == (2, None)


def test_a_size_that_proves_better_is_the_knee_and_the_next_is_untried() -> None:
    assert costs((1, 1.0), (2, 1.0), (4, 1.0), times=5).untried() == 8


@pytest.mark.parametrize(("seconds", "rows"), [(0.5, 1), (1.1, 1), (1.3, 2), (1.8, 8), (1.79, 4), (99.0, 16)])
def test_within_a_time_goes_the_largest_size_known_to_take_no_longer(seconds: float, rows: int) -> None:
    assert costs(*FIXED).within(seconds) == rows


def test_what_any_batch_costs_is_what_is_left_of_the_smallest_without_its_rows() -> None:
    assert costs(*FIXED).fixed() == pytest.approx(1.0)
    assert costs((2, 1.2), (8, 1.8)).fixed() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "measured",
    [
        pytest.param([(4, 1.0)], id="one size"),
        pytest.param([(1, 1.0), (2, 2.0), (4, 4.0)], id="rows alone cost"),
        pytest.param([(1, 1.0), (2, 3.0)], id="rows get dearer"),
    ],
)
def test_where_joining_saves_nothing_no_batch_has_a_fixed_cost(measured: list[tuple[int, float]]) -> None:
    assert costs(*measured).fixed() == 0.0


@given(st.floats(0, 10), st.floats(1e-6, 1), st.integers(1, 10))
def test_whatever_a_batch_and_a_row_cost_the_fixed_cost_is_found_where_it_is_worth_a_batch(
    fixed: float, row: float, sizes: int
) -> None:
    found = costs(*((2**at, fixed + row * 2**at) for at in range(sizes + 1)))
    assert found.fixed() == pytest.approx(fixed if (found.knee() or 1) > 1 else 0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("again", "moved"),
    [
        pytest.param(0.6, 0.8, id="quicker: half of the way"),
        pytest.param(1.4, 1.02, id="slower: a twentieth"),
        pytest.param(2.0, 1.05, id="twice as slow"),
        pytest.param(9.0, 1.05, id="slower still: as twice as slow"),
    ],
)
def test_a_measurement_moves_what_is_known_a_part_of_the_way(again: float, moved: float) -> None:
    found = costs((2, 1.0), (1, 1.0), (1, again))
    assert found.fixed() == pytest.approx(2 * moved - 1.0)  # of one row twice, less what two together take


def test_a_size_that_seemed_to_take_no_time_is_measured_anew() -> None:
    found = costs((4, 0.0), (8, 1.0), (4, 10.0))
    assert found.knee() == 4
    for _ in range(5):
        found.observe(4, 10.0)
    assert found.knee() == 8


def test_one_disturbed_measurement_however_long_moves_the_knee_nowhere() -> None:
    found = costs(*FIXED, times=5)
    found.observe(16, 1000.0)
    assert found.knee() == 16


def test_a_model_that_has_become_slower_is_believed_in_the_end() -> None:
    found = costs((1, 1.0), (2, 1.2), (4, 1.4), times=5)
    knees = []
    for _ in range(100):
        found.observe(4, 14.0)
        knees.append(found.knee())
    assert (knees[4], knees[-1]) == (4, 2)


def test_the_largest_size_is_forgotten_where_it_was_not_measured_for_long() -> None:
    found = costs((1, 1.0), (2, 1.0), (4, 9.0), times=5)
    for _ in range(200):
        found.observe(2, 1.0)
    assert found.untried() is None
    found.observe(2, 1.0)
    assert (found.untried(), found.within(99.0)) == (4, 2)


def test_what_is_measured_now_and_then_and_what_is_smaller_is_not_forgotten() -> None:
    found = costs((1, 1.0), (2, 1.0), (4, 9.0), times=5)
    for at in range(500):
        found.observe(4 if at % 100 == 0 else 2, 9.0 if at % 100 == 0 else 1.0)
    assert (found.untried(), found.within(99.0)) == (None, 4)
    for _ in range(500):
        found.observe(4, 9.0)
    assert found.knee() == 2
