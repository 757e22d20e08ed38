import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pydantic.v1
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlflow.types.llm import ChatMessage

from serve.signature.predictions import to_json


class Label(enum.StrEnum):
    GOOD = "good"


class Code(enum.IntEnum):
    ONE = 1


class Colour(enum.Enum):
    RED = (255, 0, 0)


@dataclasses.dataclass
class Box:
    width: int
    at: datetime.time


class OldAnswer(pydantic.v1.BaseModel):
    label: str


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
HUGE = scipy.sparse.csr_matrix((10**6, 10**6))
ANSWER = Answer(label="a", scores=[0.5, math.nan], when=DAY)
ODD_KEYS = {"(1, 'a')": 1, "2024-05-31": 2, "3": 3, "aw==": 4, "null": 5}
PLAIN_ANSWER = {"label": "a", "scores": [0.5, None], "when": "2024-05-31"}


def predictions(outputs: ModuleType, result: Any) -> Any:
    """What a caller gets for this result, by the child's and then the server's own code; strict JSON or nothing."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(to_json(outputs.to_value(result)), parse_constant=refuse)["predictions"]


RESULTS: dict[str, tuple[Any, Any]] = {
    "none": (None, None),
    "nan": (math.nan, None),
    "infinity": (-math.inf, None),
    "half a surrogate pair": (["a\ud800b"], ["a\ufffdb"]),
    "half a surrogate pair in a key": ({"\ud800": 1}, {"\ufffd": 1}),
    "array": (np.array([[1.5, 2.0]]), [[1.5, 2.0]]),
    "float16": (np.array([0.5, math.nan], "f2"), [0.5, None]),
    "float32": (np.array([0.1], "f4"), [0.10000000149011612]),
    "longdouble": (np.array([0.5, math.inf], np.longdouble), [0.5, None]),
    "booleans": (np.array([True, False]), [True, False]),
    "no dimension": (np.array(0.0), 0.0),
    "no dimension, nan": (np.array(math.nan), None),
    "not contiguous": (np.arange(6).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
    "fortran order": (np.asfortranarray([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "steps": (np.arange(6)[::-2], [5, 3, 1]),
    "masked array": (np.ma.array([1.0, 2.0], mask=[False, True]), [1.0, None]),
    "bytes array": (np.array([b"a"]), ["YQ=="]),
    "objects": (np.array([1, "a", None, math.nan], object), [1, "a", None, None]),
    "arrays in objects": (np.array([np.array([1.5, math.nan]), {}], object), [[1.5, None], {}]),
    "records": (np.array([(1, 0.5)], [("a", "i4"), ("b", "f8")]), [[1, 0.5]]),
    "dates": (np.array(["2024-05-31", "NaT"], "M8[D]"), ["2024-05-31", None]),
    "nanoseconds": (np.array(["2024-05-31T12:00:00.5"], "M8[ns]"), ["2024-05-31T12:00:00.500000"]),
    "np.float64 nan": (np.float64("nan"), None),
    "np.longdouble": (np.longdouble(0.5), 0.5),
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
    "subclasses beside nan": ([math.nan, Label.GOOD, Code.ONE, Text("a")], [None, "good", 1, "a"]),
    "string of a class of its own": (Text("a"), "a"),
    "tuple": ((1, "a"), [1, "a"]),
    "named tuple": (Pair(1, 2), [1, 2]),
    "set": ({3, 1, 2}, [1, 2, 3]),
    "set of odd things": (frozenset(["a", 1]), ["a", 1]),
    "views and ranges": (
        [{"a": 1}.keys(), {"a": 1}.values(), range(2), collections.deque([1])],
        [["a"], [1], [0, 1], [1]],
    ),
    "mapping": (collections.UserDict(a=np.array([1])), {"a": [1]}),
    "enum of anything": ([Colour.RED], [[255, 0, 0]]),
    "UUID": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "dataclass": (Box(1, NOON.time()), {"width": 1, "at": "12:00:00"}),
    "dataclass that says how": ([ChatMessage(role="user", content="Hi")], [{"role": "user", "content": "Hi"}]),
    "pydantic 1": ([OldAnswer(label="a")], [{"label": "a"}]),
    "odd keys": ({(1, "a"): 1, DAY: 2, np.int8(3): 3, b"k": 4, pd.NA: 5}, ODD_KEYS),
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
    "frame with numbered columns": (pd.DataFrame([[1, 2]]), [{"0": 1, "1": 2}]),
    "frame with columns in levels": (pd.DataFrame({("a", "b"): [1]}), [{"('a', 'b')": 1}]),
    "frame without rows": (pd.DataFrame({"a": []}), []),
    "frame with half a surrogate pair": (pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)}), [{"a": "\ufffd"}]),
    "series": (pd.Series([1, 2], name="a"), [{"a": 1}, {"a": 2}]),
    "frame in a dict": ({"f": pd.DataFrame({"a": [1, None]})}, {"f": [{"a": 1.0}, {"a": None}]}),
    "series in a list": ([pd.Series([1], name="a")], [[1]]),
    "series in a dict": ({"a": pd.Series(["x"], index=[7]), "b": pd.Series([0.5])}, {"a": ["x"], "b": [0.5]}),
    "index": (pd.Index(["a", "b"]), ["a", "b"]),
    "index in levels": (pd.MultiIndex.from_tuples([("a", 1)]), [["a", 1]]),
    "index of dates with a zone": (pd.DatetimeIndex([NOON]), ["2024-05-31T12:00:00+00:00"]),
    "pandas array": (pd.array([1, None], dtype="Int64"), [1, None]),
    "categorical": (pd.Categorical(["x", None]), ["x", None]),
    "periods": (pd.period_range("2024-05", periods=2, freq="M"), ["2024-05", "2024-06"]),
    "intervals": (pd.DataFrame({"a": pd.cut([1, 3], [0, 2, 4])}), [{"a": "(0, 2]"}, {"a": "(2, 4]"}]),
    "durations": (pd.Series(pd.to_timedelta(["1s", None])), [{"0": "P0DT0H0M1S"}, {"0": None}]),
    "durations of numpy": (np.array([90, "NaT"], "m8[s]"), ["P0DT0H1M30S", None]),
    "years between": (np.array([2], "m8[Y]"), [2]),
    "tensor that learns": (torch.tensor([[0.5]], requires_grad=True), [[0.5]]),
    "tensor of bfloat16": (torch.tensor([0.1, math.nan], dtype=torch.bfloat16), [0.10009765625, None]),
    "tensor without a dimension": (torch.tensor(3), 3),
    "sparse tensor": (torch.tensor([[0, 1]]).to_sparse(), [[0, 1]]),
    "tensors in a dict": ({"a": torch.tensor([1]), "b": [torch.tensor(True)]}, {"a": [1], "b": [True]}),
    "sparse matrix": (scipy.sparse.csr_matrix([[0, 1], [2, 0]]), [[0, 1], [2, 0]]),
    "sparse array": ([scipy.sparse.coo_array([[0, 0.5]])], [[[0.0, 0.5]]]),
    "table of another library": (pa.table({"a": [1], "b": [None]}), [{"a": 1, "b": None}]),
    "array of another library": (pa.array(["x", None]), ["x", None]),
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


def deep(levels: int) -> Any:
    inside: Any = math.nan
    for _ in range(levels):
        inside = [inside]
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
        (torch.tensor([1j]), "the model returned a value of type complex, which has no JSON form"),
        (int, "the model returned a value of type type, which has no JSON form"),
        ({frozenset(): 1}, "the model returned a name of type frozenset, which has no JSON form"),
        (endless(), "the model returned a list that holds itself, or is nested too deep for JSON"),
        ({"a": deep(100_000)}, "the model returned a dict that holds itself, or is nested too deep for JSON"),
        (HUGE, "the model returned a csr_matrix of 8000000000000 bytes; at most 2147483648 can be sent"),
    ],
)
def test_what_json_can_not_express_is_the_models_fault(outputs: ModuleType, result: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError)) as found:
        outputs.to_value(result)
    assert str(found.value) == error


def test_the_last_of_several_columns_of_one_name_is_answered_and_told_of(outputs: ModuleType) -> None:
    frame = pd.DataFrame([[1, "b", 3.5]], columns=["a", "b", "a"])
    with pytest.warns(UserWarning, match="several columns of one name: only the last"):
        assert predictions(outputs, frame) == [{"a": 3.5, "b": "b"}]


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
