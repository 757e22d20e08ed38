import collections
import datetime
import decimal
import enum
import json
import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import JSON, Value
from serve.signature.predictions import to_json


class Label(enum.StrEnum):
    GOOD = "good"


class Code(enum.IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "overridden"


class Answer(pydantic.BaseModel):
    label: str
    scores: list[float]
    when: datetime.date


class Outer(pydantic.BaseModel):
    inner: Answer


Pair = collections.namedtuple("Pair", "a b")
DAY = datetime.date(2024, 5, 31)
NOON = datetime.datetime(2024, 5, 31, 12, tzinfo=datetime.UTC)
ANSWER = Answer(label="a", scores=[0.5, math.nan], when=DAY)
PLAIN_ANSWER = {"label": "a", "scores": [0.5, None], "when": "2024-05-31"}


def predictions(outputs: ModuleType, result: Any) -> Any:
    """What a caller gets for this result, by the child's and then the server's own code; strict JSON or nothing."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(to_json(outputs.to_value(result)), parse_constant=refuse)["predictions"]


RESULTS: dict[str, tuple[Any, Any]] = {
    "none": (None, None),
    "zero": (0, 0),
    "false": (False, False),
    "empty string": ("", ""),
    "empty list": ([], []),
    "empty dict": ({}, {}),
    "float": (0.5, 0.5),
    "nan": (math.nan, None),
    "infinity": (-math.inf, None),
    "text": ("Grüße 😀 \u2028 \0", "Grüße 😀 \u2028 \0"),
    "half a surrogate pair": (["a\ud800b"], ["a\ufffdb"]),
    "half a surrogate pair in a key": ({"\ud800": 1}, {"\ufffd": 1}),
    "large integer": (2**63 - 1, 2**63 - 1),
    "array": (np.array([[1.5, 2.0]]), [[1.5, 2.0]]),
    "float16": (np.array([0.5, math.nan], "f2"), [0.5, None]),
    "float32": (np.array([0.1], "f4"), [0.10000000149011612]),
    "longdouble": (np.array([0.5, math.inf], np.longdouble), [0.5, None]),
    "big-endian": (np.array([1.5, 2.5], ">f8"), [1.5, 2.5]),
    "big-endian integers": (np.array([1, 256], ">i4"), [1, 256]),
    "uint8": (np.array([0, 255], "u1"), [0, 255]),
    "uint64": (np.array([2**64 - 1], "u8"), [2**64 - 1]),
    "booleans": (np.array([True, False]), [True, False]),
    "no rows": (np.empty((0, 3)), []),
    "no dimension": (np.array(0.0), 0.0),
    "no dimension, nan": (np.array(math.nan), None),
    "not contiguous": (np.arange(6).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
    "fortran order": (np.asfortranarray([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "steps": (np.arange(6)[::-2], [5, 3, 1]),
    "masked array": (np.ma.array([1.0, 2.0], mask=[False, True]), [1.0, None]),
    "strings": (np.array(["a", "b"]), ["a", "b"]),
    "bytes array": (np.array([b"a"]), ["YQ=="]),
    "objects": (np.array([1, "a", None, math.nan], object), [1, "a", None, None]),
    "arrays in objects": (np.array([np.array([1.5, math.nan]), {}], object), [[1.5, None], {}]),
    "records": (np.array([(1, 0.5)], [("a", "i4"), ("b", "f8")]), [[1, 0.5]]),
    "dates": (np.array(["2024-05-31", "NaT"], "M8[D]"), ["2024-05-31", None]),
    "nanoseconds": (np.array(["2024-05-31T12:00:00.5"], "M8[ns]"), ["2024-05-31T12:00:00.500000"]),
    "np.float32": (np.float32(0.5), 0.5),
    "np.float64 nan": (np.float64("nan"), None),
    "np.longdouble": (np.longdouble(0.5), 0.5),
    "np.int64": (np.int64(7), 7),
    "np.bool": (np.bool_(False), False),
    "np.str": (np.str_("a"), "a"),
    "np.datetime64": (np.datetime64("2024-05-31"), "2024-05-31"),
    "np NaT": (np.datetime64("NaT"), None),
    "pd.NA": (pd.NA, None),
    "pd.NaT": (pd.NaT, None),
    "pd.Timestamp": (pd.Timestamp("2024-05-31T12:00Z"), "2024-05-31T12:00:00+00:00"),
    "date": (DAY, "2024-05-31"),
    "datetime": (NOON, "2024-05-31T12:00:00+00:00"),
    "time": (datetime.time(12, 30), "12:30:00"),
    "decimal": (decimal.Decimal("0.5"), 0.5),
    "decimal signaling nan": (decimal.Decimal("sNaN"), None),
    "duration": (pd.Timedelta("1s"), "P0DT0H0M1S"),
    "decimal nan": ([decimal.Decimal("NaN"), decimal.Decimal("-Infinity")], [None, None]),
    "bytes": (b"\0\xff", "AP8="),
    "bytearray": (bytearray(b"\0\xff"), "AP8="),
    "memoryview": (memoryview(b"\0\xff"), "AP8="),
    "enum of strings": ([Label.GOOD], ["good"]),
    "enum of integers": ([Code.ONE], [1]),
    "string of a class of its own": (Text("a"), "a"),
    "tuple": ((1, "a"), [1, "a"]),
    "named tuple": (Pair(1, 2), [1, 2]),
    "set": ({1}, [1]),
    "frozen set": (frozenset(["a"]), ["a"]),
    "list of arrays": ([np.array([1.5]), np.array([2, 3])], [[1.5], [2, 3]]),
    "list of scalars": ([np.float32(0.5), np.int8(1), None], [0.5, 1, None]),
    "dict of arrays": (
        {"a": np.array([1, 2]), "b": np.array([[0.5], [math.nan]])},
        {"a": [1, 2], "b": [[0.5], [None]]},
    ),
    "dict of odd arrays": ({"a": np.array(["x"]), "b": np.array([1])}, {"a": ["x"], "b": [1]}),
    "nested": ({"a": {1: [{"b": math.nan, None: (1,)}]}}, {"a": {"1": [{"b": None, "null": [1]}]}}),
    "pydantic": (ANSWER, PLAIN_ANSWER),
    "nested pydantic": ([Outer(inner=ANSWER)], [{"inner": PLAIN_ANSWER}]),
    "frame": (pd.DataFrame({"a": [1, 2], "b": [0.5, math.nan]}), [{"a": 1, "b": 0.5}, {"a": 2, "b": None}]),
    "frame of strings": (pd.DataFrame({"a": ["x", None]}), [{"a": "x"}, {"a": None}]),
    "frame of booleans": (pd.DataFrame({"a": [True, False]}), [{"a": True}, {"a": False}]),
    "frame of nullable integers": (
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        [{"a": 1}, {"a": None}],
    ),
    "frame of nullable booleans": (
        pd.DataFrame({"a": pd.array([True, None], dtype="boolean")}),
        [{"a": True}, {"a": None}],
    ),
    "frame of nullable floats": (
        pd.DataFrame({"a": pd.array([0.5, None], dtype="Float32")}),
        [{"a": 0.5}, {"a": None}],
    ),
    "frame of nullable strings": (
        pd.DataFrame({"a": pd.array(["x", None], dtype="string")}),
        [{"a": "x"}, {"a": None}],
    ),
    "frame of dates": (
        pd.DataFrame({"a": pd.to_datetime(["2024-05-31T12:00", None])}),
        [{"a": "2024-05-31T12:00:00"}, {"a": None}],
    ),
    "frame of dates with a zone": (
        pd.DataFrame({"a": pd.to_datetime(["2024-05-31T12:00+02:00"])}),
        [{"a": "2024-05-31T12:00:00+02:00"}],
    ),
    "frame of categories": (pd.DataFrame({"a": pd.Categorical(["x", None])}), [{"a": "x"}, {"a": None}]),
    "frame of bytes": (pd.DataFrame({"a": [b"\0"]}), [{"a": "AA=="}]),
    "frame of arrays": (pd.DataFrame({"a": [np.array([1.5, math.nan]), None]}), [{"a": [1.5, None]}, {"a": None}]),
    "frame of decimals": (pd.DataFrame({"a": [decimal.Decimal("0.5")]}), [{"a": 0.5}]),
    "frame with an index": (pd.DataFrame({"a": [1]}, index=["row"]), [{"a": 1}]),
    "frame with numbered columns": (pd.DataFrame([[1, 2]]), [{"0": 1, "1": 2}]),
    "frame with columns in levels": (pd.DataFrame({("a", "b"): [1]}), [{"('a', 'b')": 1}]),
    "frame without rows": (pd.DataFrame({"a": []}), []),
    "frame without columns": (pd.DataFrame(), []),
    "frame with half a surrogate pair": (pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)}), [{"a": "\ufffd"}]),
    "series": (pd.Series([1, 2], name="a"), [{"a": 1}, {"a": 2}]),
    "series without a name": (pd.Series([0.5]), [{"0": 0.5}]),
    "frame in a dict": ({"f": pd.DataFrame({"a": [1, None]})}, {"f": [{"a": 1.0}, {"a": None}]}),
    "series in a list": ([pd.Series([1], name="a")], [[1]]),
}


@pytest.mark.parametrize(("result", "answer"), RESULTS.values(), ids=RESULTS.keys())
def test_whatever_a_model_returns_is_strict_json(outputs: ModuleType, result: Any, answer: Any) -> None:
    found = predictions(outputs, result)
    assert found == answer
    assert repr(found) == repr(answer)  # so that 1 is not 1.0 and no True


def endless() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


def rows() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (object(), "the model returned a value of type object, which has no JSON form"),
        (rows(), "the model returned a value of type generator, which has no JSON form"),
        (1j, "the model returned a value of type complex, which has no JSON form"),
        (np.array([1j]), "the model returned a value of type complex, which has no JSON form"),
        ([lambda: 1], "the model returned a value of type function, which has no JSON form"),
        (endless(), "the model returned a list that holds itself"),
    ],
)
def test_what_json_can_not_express_is_the_models_fault(outputs: ModuleType, result: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError, RecursionError), match=error):
        outputs.to_value(result)


@pytest.mark.parametrize(
    ("result", "kind", "dtypes"),
    [
        (np.array([1.0]), "array", ["<f8"]),
        (np.array([1.0], ">f4"), "array", ["<f4"]),
        (np.array(["a"]), "array", [JSON]),
        ({"a": np.array([1]), "b": np.array([True])}, "arrays", ["<i8", "|b1"]),
        ({}, "json", [JSON]),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), "frame", ["<f8", JSON]),
        (pd.DataFrame({"a": pd.array([1], dtype="Int64")}), "frame", ["<i8"]),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), "frame", [JSON]),
        ([1.0], "json", [JSON]),
    ],
)
def test_numbers_cross_as_they_are_and_all_else_as_json(
    outputs: ModuleType, result: Any, kind: str, dtypes: list[str]
) -> None:
    value: Value = outputs.to_value(result)
    assert (value.kind, [part.dtype for part in value.parts]) == (kind, dtypes)
    for part in value.parts:
        assert isinstance(part.data, bytes)


SPLIT: dict[str, tuple[Any, list[int], Any]] = {
    "array": (np.array([[1], [2], [3]]), [1, 2], [[[1]], [[2], [3]]]),
    "list": ([1, "a", None], [2, 1], [[1, "a"], [None]]),
    "frame": (pd.DataFrame({"a": [1, 2]}, index=[9, 9]), [1, 1], [[{"a": 1}], [{"a": 2}]]),
    "series": (pd.Series([1, 2], name="a", index=[7, 5]), [1, 1], [[{"a": 1}], [{"a": 2}]]),
    "dict of arrays": (
        {"a": np.array([1, 2]), "b": np.array([[3.5], [4.5]])},
        [1, 1],
        [{"a": [1], "b": [[3.5]]}, {"a": [2], "b": [[4.5]]}],
    ),
    "dict of lists": ({"a": ["x", "y"]}, [1, 1], [{"a": ["x"]}, {"a": ["y"]}]),
    "falsy rows": (np.array([0, 0]), [1, 1], [[0], [0]]),
    "one entry": ([1, 2], [2], [[1, 2]]),
    "an entry without rows": ([1], [0, 1], [[], [1]]),
}


@pytest.mark.parametrize(("result", "asked", "pieces"), SPLIT.values(), ids=SPLIT.keys())
def test_a_result_with_a_row_for_each_row_asked_is_cut_between_the_entries(
    outputs: ModuleType, result: Any, asked: list[int], pieces: Any
) -> None:
    assert [predictions(outputs, piece) for piece in outputs.split(result, asked)] == pieces


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="nothing"),
        pytest.param(5, id="a number"),
        pytest.param("ab", id="a string as long as the rows"),
        pytest.param((1, 2), id="a tuple"),
        pytest.param(np.array(1), id="no dimension"),
        pytest.param(np.array([1]), id="a row too few"),
        pytest.param([1, 2, 3], id="a row too many"),
        pytest.param(pd.DataFrame({"a": [1]}), id="a frame too short"),
        pytest.param({}, id="an empty dict"),
        pytest.param({"a": np.array([1, 2]), "b": 0.5}, id="a dict with a value for all"),
        pytest.param({"a": [1, 2], "b": [1]}, id="a dict of other lengths"),
        pytest.param({1, 2}, id="a set"),
    ],
)
def test_a_result_that_does_not_have_a_row_for_each_row_asked_is_not_cut(outputs: ModuleType, result: Any) -> None:
    assert outputs.split(result, [1, 1]) is None


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_pieces_put_together_are_the_whole(outputs: ModuleType, asked: list[int]) -> None:
    whole = np.arange(sum(asked) * 2).reshape(-1, 2)
    pieces = outputs.split(whole, asked)
    assert [len(piece) for piece in pieces] == asked
    assert np.array_equal(np.concatenate(pieces), whole)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.binary(max_size=5),
    st.dates(),
    st.datetimes(),
    st.decimals(allow_nan=False),
    st.sampled_from([pd.NA, pd.NaT, np.float32("nan"), np.int8(1), np.datetime64("NaT")]),
)
results = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@given(results)
def test_any_mixture_of_values_is_strict_json(outputs: ModuleType, result: Any) -> None:
    predictions(outputs, result)


@given(st.lists(leaves, min_size=1, max_size=4))
def test_any_column_of_a_frame_is_strict_json(outputs: ModuleType, column: list[Any]) -> None:
    frame = pd.DataFrame({"a": pd.Series(column, dtype=object)})
    assert len(predictions(outputs, frame)) == len(column)
