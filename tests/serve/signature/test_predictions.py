import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import BASE64, JSON, Part, Value
from serve.signature.predictions import to_json


def raw(name: str | None, data: Any, dtype: str) -> Part:
    whole = np.asarray(data, dtype)
    return Part(name, whole.dtype.str, whole.shape, whole.tobytes())


def plain(name: str | None, data: Any) -> Part:
    return Part(name, JSON, (len(data),) if isinstance(data, list) else (), json.dumps(data).encode())


def predictions(kind: str, *parts: Part) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(to_json(Value(kind, parts)), parse_constant=refuse)["predictions"]


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8"])
def test_an_array_becomes_nested_lists(dtype: str) -> None:
    assert predictions("array", raw(None, [[1, 2], [3, 4]], dtype)) == [[1, 2], [3, 4]]


def test_booleans_stay_booleans() -> None:
    assert predictions("array", raw(None, [True, False], "|b1")) == [True, False]


@pytest.mark.parametrize(("data", "dtype"), [(0, "<i8"), (0.0, "<f4"), (False, "|b1"), (2.5, "<f8")])
def test_a_scalar_stays_one_even_where_it_is_falsy(data: Any, dtype: str) -> None:
    found = predictions("array", raw(None, data, dtype))
    assert found == data
    assert type(found) is type(data)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_an_empty_array_is_an_empty_list(shape: tuple[int, ...]) -> None:
    assert predictions("array", raw(None, np.zeros(shape), "<f4")) == np.zeros(shape).tolist()


def test_float32_is_written_as_the_very_number_it_is_as_mlflow_writes_it() -> None:
    assert to_json(Value("array", (raw(None, [0.1], "<f4"),))) == b'{"predictions":[0.10000000149011612]}'


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_is_null(dtype: str, number: float) -> None:
    assert predictions("array", raw(None, [1, number], dtype)) == [1, None]
    assert predictions("array", raw(None, number, dtype)) is None
    assert predictions("arrays", raw("a", [number], dtype)) == {"a": [None]}
    assert predictions("frame", raw("a", [number, 1], dtype)) == [{"a": None}, {"a": 1}]


@pytest.mark.parametrize("dtype", ["<f2", "<f4"])
@pytest.mark.parametrize("number", [0.1, 1 / 3, 6e-8, 65504.0, -0.0])
def test_a_small_float_reads_back_as_the_very_same_float64(dtype: str, number: float) -> None:
    exact = repr(float(np.dtype(dtype).type(number)))
    part = raw("a", [number], dtype)
    found = (predictions("array", part)[0], predictions("arrays", part)["a"][0], predictions("frame", part)[0]["a"])
    assert {*map(repr, found), repr(predictions("array", raw(None, number, dtype)))} == {exact}


def test_an_array_of_json_items_is_nested_as_its_shape_says() -> None:
    flat = json.dumps(["a", None, [1], {"b": 2}, 2**70, "é"]).encode()
    nested = [[["a"], [None], [[1]]], [[{"b": 2}], [2**70], ["é"]]]
    assert predictions("array", Part(None, JSON, (2, 3, 1), flat)) == nested
    assert predictions("arrays", Part("a", JSON, (6,), flat)) == {"a": json.loads(flat)}
    assert predictions("array", Part(None, JSON, (2, 0), b"[]")) == [[], []]


@pytest.mark.parametrize("kind", ["array", "frame"])
def test_bytes_stay_base64(kind: str) -> None:
    part = Part("a", BASE64, (2,), b'["AP8=",null]')
    assert predictions(kind, part) == (["AP8=", None] if kind == "array" else [{"a": "AP8="}, {"a": None}])


DATES = {
    "<M8[D]": {"0001-01-01": "0001-01-01", "9999-12-31": "9999-12-31", "NaT": None},
    "<M8[us]": {"2024-05-31T12": "2024-05-31T12:00:00", "2024-05-31T12:00:00.5": "2024-05-31T12:00:00.500000"},
    "<M8[ns]": {
        "2024-05-31T12": "2024-05-31T12:00:00",
        "2024-05-31T12:00:00.000000001": "2024-05-31T12:00:00.000000001",
        "1969-12-31T23:59:59.999999999": "1969-12-31T23:59:59.999999999",
        "NaT": None,
    },
}


@pytest.mark.parametrize(("dtype", "dates"), DATES.items())
def test_dates_are_iso_8601_with_the_digits_they_need(dtype: str, dates: dict[str, str | None]) -> None:
    part = raw("a", list(dates), dtype)
    assert predictions("array", part) == [*dates.values()]
    assert predictions("arrays", Part("a", dtype, (1, len(dates)), part.data)) == {"a": [[*dates.values()]]}
    assert predictions("frame", part) == [{"a": date} for date in dates.values()]
    assert predictions("array", raw(None, next(iter(dates)), dtype)) == next(iter(dates.values()))


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**30])
def test_an_integer_of_any_size_is_exact_in_a_frame(number: int) -> None:
    items = [number, f"{number}", float(number), [number, {"a": number}], True]
    assert [row["a"] for row in predictions("frame", plain("a", items))] == items


def test_without_a_wrapping_the_answer_stands_alone() -> None:
    assert to_json(Value("json", (plain(None, {"id": 1}),)), unwrapped=True) == b'{"id": 1}'


def test_named_arrays_become_an_object() -> None:
    assert predictions("arrays", raw("a", [1], "<i8"), raw("b", [[2.5]], "<f8")) == {"a": [1], "b": [[2.5]]}


def test_a_frame_becomes_an_object_a_row() -> None:
    frame = (plain("label", ["a", None]), raw("probability", [0.25, 0.5], "<f8"))
    assert predictions("frame", *frame) == [
        {"label": "a", "probability": 0.25},
        {"label": None, "probability": 0.5},
    ]


def test_a_frame_without_columns_is_an_empty_list() -> None:
    assert predictions("frame") == []


@pytest.mark.parametrize("data", [None, 0, False, "", [], {}, {"a": [1, {"b": None}]}, "Grüße"])
def test_json_passes_as_it_is(data: Any) -> None:
    assert predictions("json", Part(None, JSON, (), json.dumps(data).encode())) == data


def test_a_view_of_a_frame_that_is_not_aligned_reads_the_same() -> None:
    body = b"\0" + np.arange(3.0).tobytes()
    part = Part(None, "<f8", (3,), memoryview(body)[1:])
    assert predictions("array", part) == [0.0, 1.0, 2.0]
    assert predictions("frame", Part("a", "<f8", (3,), memoryview(body)[1:])) == [{"a": 0.0}, {"a": 1.0}, {"a": 2.0}]


@given(
    st.lists(st.floats(), max_size=8), st.sampled_from(["<f4", "<f8"]), st.sampled_from(["array", "arrays", "frame"])
)
def test_any_floats_give_valid_json_that_differs_only_in_null(numbers: list[float], dtype: str, kind: str) -> None:
    with np.errstate(over="ignore"):
        part = raw("a", numbers, dtype)
    found = predictions(kind, part)
    if kind == "arrays":
        found = found["a"]
    if kind == "frame":
        found = [row["a"] for row in found]
    exact = np.frombuffer(part.data, dtype).tolist()
    assert len(found) == len(exact)
    for have, want in zip(found, exact, strict=True):
        if math.isfinite(want):
            assert np.dtype(dtype).type(have) == want
        else:
            assert have is None
