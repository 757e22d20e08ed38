import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.batch.pace import Pace


def steady(pace: Pace, batches: int, rows: int = 10, seconds: float = 0.5, begin: float = 0.0) -> float:
    """So many batches leave, one each `seconds`; when the last of them did."""
    for at in range(batches):
        pace.left(rows, begin + at * seconds, others_wait=True)
    return begin + (batches - 1) * seconds


def test_before_anything_is_known_nobody_is_said_to_wait() -> None:
    assert Pace(lambda: 0.0).wait(1000, 5.0) == 0.0


def test_before_anything_was_seen_it_is_what_is_known_otherwise() -> None:
    assert Pace(lambda: 0.01).wait(200, 5.0) == pytest.approx(2.0)


@pytest.mark.parametrize("expected", [0.0, 0.05])
def test_a_steady_pace_is_seen_as_it_is(expected: float) -> None:
    pace = Pace(lambda: expected)
    now = steady(pace, batches=30)
    assert pace.wait(100, now) == pytest.approx(5.0)


@pytest.mark.parametrize("expected", [0.001, 0.5])
def test_what_is_seen_counts_for_more_the_longer_it_lasts(expected: float) -> None:
    pace, errors = Pace(lambda: expected), list[float]()
    for batches in (2, 10, 40):
        pace.rest()
        errors.append(abs(pace.wait(100, steady(pace, batches)) - 5.0))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5


def test_several_workers_that_take_at_once_are_one_pace() -> None:
    pace = Pace(lambda: 0.0)
    for at in range(30):
        for _ in range(2):
            pace.left(10, at * 0.5, others_wait=True)
    assert pace.wait(100, 14.5) == pytest.approx(2.5, rel=0.1)


def test_that_nobody_takes_any_more_shows_before_the_next_one_does() -> None:
    pace = Pace(lambda: 0.05)
    now = steady(pace, batches=30)
    waits = [pace.wait(100, now + stalled) for stalled in (0.0, 0.5, 5.0, 50.0)]
    assert waits[0] == pytest.approx(5.0)
    assert waits[1] == pytest.approx(5.0)
    assert waits == sorted(waits)
    assert waits[-1] > 40.0


def test_a_pause_is_forgotten_as_rows_leave_again() -> None:
    pace = Pace(lambda: 0.05)
    now = steady(pace, batches=30)
    assert pace.wait(100, steady(pace, batches=1, begin=now + 60.0)) > 40.0
    assert pace.wait(100, steady(pace, batches=50, begin=now + 60.5)) == pytest.approx(5.0, rel=0.1)


def test_a_break_in_the_queue_begins_anew() -> None:
    pace = Pace(lambda: 0.05)
    now = steady(pace, batches=30, seconds=5.0)
    pace.left(10, now + 5.0, others_wait=False)
    assert pace.wait(100, now + 1000.0) == pytest.approx(5.0)
    pace.left(10, now + 1000.0, others_wait=True)
    assert pace.wait(100, now + 1000.0) == pytest.approx(5.0)


def test_where_all_that_waited_were_refused_the_time_since_says_nothing() -> None:
    pace = Pace(lambda: 0.05)
    now = steady(pace, batches=30)
    pace.rest()
    assert pace.wait(100, now + 1000.0) == pytest.approx(5.0)


@given(
    st.lists(st.tuples(st.integers(1, 100), st.floats(0.0, 10.0), st.booleans(), st.booleans())), st.integers(0, 10**4)
)
def test_a_wait_is_a_number_of_seconds_whatever_came_before(
    story: list[tuple[int, float, bool, bool]], rows: int
) -> None:
    pace, now = Pace(lambda: 0.01), 0.0
    for left, seconds, others_wait, died in story:
        now += seconds
        if died:
            pace.interrupt()
        pace.left(left, now, others_wait=others_wait)
    assert 0.0 <= pace.wait(rows, now) <= pace.wait(rows + 1, now) < float("inf")


def test_while_nothing_leaves_who_waits_waits_for_as_long_again_and_not_so_long_for_each_row() -> None:
    pace = Pace(lambda: 0.0)
    for at in range(10):
        pace.left(10, float(at), others_wait=True)
    assert pace.wait(100, 9.0) == pytest.approx(10.0)
    assert pace.wait(100, 9.0 + 1.0 + 3.0) == pytest.approx(13.0)


@pytest.mark.parametrize("expected", [0.0, 0.001])
def test_what_a_dead_worker_held_up_says_nothing_of_the_pace(expected: float) -> None:
    pace = Pace(lambda: expected)
    now = steady(pace, batches=3, rows=1, seconds=0.001)
    for died in range(2):  # a killer, alone each time, and others behind it
        pace.interrupt()
        now += 3.0
        pace.left(1, now, others_wait=True)
        assert pace.wait(100, now) < 1.0, died
