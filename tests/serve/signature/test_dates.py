import numpy as np
import pytest

from serve.errors import InvalidInputs
from serve.signature.dates import parse, uniform

WHEN = "when[{}]".format


@pytest.mark.parametrize(
    ("item", "read"),
    [
        ("2024-05-31", "2024-05-31T00:00:00.000000000"),
        ("2024-05-31T12:30", "2024-05-31T12:30:00.000000000"),
        ("2024-05-31 12:30:01.25", "2024-05-31T12:30:01.250000000"),
        ("2024-05-31T12:30:01.123456789", "2024-05-31T12:30:01.123456789"),
        ("2024-05-31T12:30:00Z", "2024-05-31T12:30:00.000000000"),
        ("2024-05-31T12:30:00+02:00", "2024-05-31T10:30:00.000000000"),
        ("1678-01-01", "1678-01-01T00:00:00.000000000"),
        ("2261-12-31T23:59:59", "2261-12-31T23:59:59.000000000"),
        (None, "NaT"),
    ],
)
def test_iso_8601_is_read_to_the_nanosecond_and_in_utc(item: str | None, read: str) -> None:
    found = parse([item], WHEN)
    assert found.dtype == np.dtype("<M8[ns]")
    assert [str(one) for one in found] == [read]


@pytest.mark.parametrize(
    "item",
    ["", "x", "now", "today", "NaT", "2024", "2024-05", "12345678", "31.05.2024", "2024-05-31x", "٢٠٢٤-05-31"],
)
def test_what_is_no_date_is_refused_with_its_place(item: str) -> None:
    with pytest.raises(InvalidInputs, match=r"^when\[1\] is no date of the years 1678 to 2261, as in 2024-05-31T"):
        parse(["2024-05-31", item], WHEN)


@pytest.mark.parametrize("item", ["0001-01-01", "1677-12-31", "2262-01-01", "9999-12-31"])
def test_a_year_that_nanoseconds_can_not_hold_is_refused_and_never_wrapped_around(item: str) -> None:
    with pytest.raises(InvalidInputs, match=r"when\[0\] is no date of the years 1678 to 2261"):
        parse([item], WHEN)


@pytest.mark.parametrize("item", ["2024-13-01", "2024-02-30", "2024-05-31T25:00", "2024-05-31Tnoon"])
def test_a_date_that_is_not_in_the_calendar_is_refused(item: str) -> None:
    with pytest.raises(InvalidInputs, match=r"^when\[0\] is no date of the years"):
        parse([item], WHEN)


@pytest.mark.parametrize(
    ("items", "alike"),
    [
        (["2024-05-31", "2024-06-01"], True),
        (["2024-05-31T12:00:00", "2024-05-31T12:00:01"], True),
        (["2024-05-31", "2024-05-31T12:00:00"], False),
        (["2024-05-31T12:00:00Z"], False),
        (["2024-05-31 12:00:00"], False),
        (["2024-05-31T12:00:00.5"], False),
        (["2024-05-31", None], False),
        ([], False),
    ],
)
def test_only_dates_written_alike_are_read_alike_by_pandas_of_every_version(items: list[str], alike: bool) -> None:
    assert uniform(items) is alike
