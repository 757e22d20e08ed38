import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import MalformedRequest
from serve.front.dialect import timeout_seconds


@pytest.mark.parametrize(
    ("header", "seconds"), [("1", 1.0), ("0.05", 0.05), ("30.000", 30.0), ("007", 7.0), ("999999999", 999999999.0)]
)
def test_a_timeout_is_a_number_of_seconds(header: str, seconds: float) -> None:
    assert timeout_seconds(header) == seconds


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_a_timeout_is_above_nothing_and_below_ever_or_refused(header: str) -> None:
    try:
        found = timeout_seconds(header)
    except MalformedRequest:
        return
    assert found == float(header)
    assert 0.0 < found < float("inf")
