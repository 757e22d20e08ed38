from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.batch.policy import Policy


@dataclass(frozen=True)
class Waiting:
    rows: int = 1
    group: str = "a"
    attempts: int = 0


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
        pytest.param([Waiting(attempts=1), Waiting()], 1, id="one whose worker died goes alone"),
        pytest.param([Waiting(), Waiting(attempts=1)], 1, id="one whose worker died is not joined"),
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
        assert not any(entry.attempts for entry in batch)
    if rest and batchable and not (batch[0].attempts or rest[0].attempts) and rest[0].group == batch[0].group:
        assert sum(entry.rows for entry in batch) + rest[0].rows > max_rows
