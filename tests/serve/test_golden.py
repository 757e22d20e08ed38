import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.artifact.snapshot import Golden
from serve.golden import difference

EXACT = Golden((), rtol=0.0, atol=0.0)
CLOSE = Golden((), rtol=1e-3, atol=1e-6)

plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False), st.text("ab")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("recorded", "found"),
    [
        (1.0, 1.0009),
        (-1000.0, -1000.9),
        (0.0, 1e-7),
        (1, 1.0),
        (1.0, 1),
        ([1.0, {"a": 2.0}], [1.0005, {"a": 2.0005}]),
        ({"a": 1, "b": "x"}, {"b": "x", "a": 1}),
        (None, None),
        ([], []),
    ],
)
def test_numbers_within_tolerance_agree(recorded: Any, found: Any) -> None:
    assert difference(recorded, found, CLOSE) is None


@pytest.mark.parametrize(
    ("recorded", "found", "told"),
    [
        (1.0, 1.002, "predictions was 1.0 at promotion and is 1.002 now"),
        (0.0, 1e-5, "predictions was 0.0 at promotion and is 1e-05 now"),
        (1.0, None, "predictions was 1.0 at promotion and is None now"),
        (None, 0, "predictions was None at promotion and is 0 now"),
        (1, True, "predictions was 1 at promotion and is True now"),
        (False, 0, "predictions was False at promotion and is 0 now"),
        ("1", 1, "predictions was '1' at promotion and is 1 now"),
        ("a", "b", "predictions was 'a' at promotion and is 'b' now"),
        ([1, 2], [1], "predictions was a list of 2 at promotion and is a list of 1 now"),
        ([], {}, "predictions was a list of 0 at promotion and is an object of  now"),
        ([1], 1, "predictions was a list of 1 at promotion and is 1 now"),
        ({"a": 1}, {"b": 1}, "predictions was an object of a at promotion and is an object of b now"),
        ({"a": 1}, [1], "predictions was an object of a at promotion and is a list of 1 now"),
        ([1, [2, 3]], [1, [2, 4]], "predictions[1][1] was 3 at promotion and is 4 now"),
        ([{"p": 1}, {"p": 2}], [{"p": 1}, {"p": 3}], "predictions[1].p was 2 at promotion and is 3 now"),
        ([1, 2, 3], [9, 9, 3], "predictions[0] was 1 at promotion and is 9 now"),
    ],
)
def test_the_first_difference_is_told_with_its_place(recorded: Any, found: Any, told: str) -> None:
    assert difference(recorded, found, CLOSE) == told


def test_long_answers_are_told_in_short() -> None:
    told = difference("x" * 1000, {str(at): at for at in range(100)}, EXACT)
    assert told is not None
    assert len(told) < 150


@given(plain)
def test_an_answer_agrees_with_itself_however_it_crossed(answer: Any) -> None:
    assert difference(answer, json.loads(json.dumps(answer)), EXACT) is None


@given(plain, plain)
def test_without_tolerance_two_answers_agree_only_where_they_are_equal(one: Any, other: Any) -> None:
    agrees = difference(one, other, EXACT) is None
    assert agrees == (difference(other, one, EXACT) is None)
    if agrees:
        assert one == other


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_tolerance_is_an_absolute_part_and_one_relative_to_what_was_recorded(recorded: float, found: float) -> None:
    agrees = abs(recorded - found) <= CLOSE.atol + CLOSE.rtol * abs(recorded)
    assert (difference(recorded, found, CLOSE) is None) == agrees
