"""Row E-2: what goes on too slowly, and what does not."""

import pytest

from serve.front.pace import Pace

SECONDS, RATE = 30.0, 1024.0


def lags(pace: Pace, at: float, come: int, of: object = "body", rate: float = RATE) -> bool:
    return pace.lags(of, come, at, SECONDS, rate)


def test_nothing_lags_before_its_time_is_over() -> None:
    pace = Pace()
    assert [lags(pace, at, 0) for at in (100.0, 110.0, 129.9)] == [False] * 3


def test_what_stands_still_lags_once_its_time_is_over() -> None:
    pace = Pace()
    assert [lags(pace, at, 10**6) for at in (100.0, 129.9, 130.0)] == [False, False, True]


@pytest.mark.parametrize(("come", "told"), [(30 * 1024 - 1, True), (30 * 1024, False)])
def test_what_comes_lags_below_its_rate(come: int, told: bool) -> None:
    pace = Pace()
    assert not lags(pace, 100.0, 0)
    assert lags(pace, 130.0, come) is told


def test_what_was_fast_once_must_go_on() -> None:
    pace = Pace()
    assert [lags(pace, at, 10**9 if at else 0) for at in (0.0, 30.0, 59.0, 60.0)] == [False, False, False, True]


def test_what_goes_on_never_lags() -> None:
    pace = Pace()
    assert not any(lags(pace, float(at), at * 1024) for at in range(1000))


def test_each_thing_has_its_own_time() -> None:
    pace = Pace()
    assert [lags(pace, at, 0, of=at) for at in (0.0, 40.0, 80.0)] == [False] * 3


def test_what_must_be_whole_in_its_time_may_not_go_on() -> None:
    pace = Pace()
    assert [lags(pace, at, int(at) * 10**9, rate=float("inf")) for at in (0.0, 29.0, 31.0)] == [False, False, True]
