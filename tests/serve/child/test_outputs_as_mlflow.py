"""MLflow's own encoder beside ours: whatever it writes as sane, valid JSON reads the same from us.

Each way in which an answer may differ is a rule here, with the name that docs/outputs.md explains it under. What
MLflow can't write at all is ours to define: test_outputs.py says how.
"""

import datetime
import io
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mlflow.pyfunc.scoring_server import predictions_to_json
from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse

from serve.signature.predictions import to_json

PAGE = Path(__file__).parents[3] / "docs" / "outputs.md"
CANT = "MLflow can't"
FAULT = object()
UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")


def null(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, float) and not math.isfinite(theirs) and ours is None


def no_date(theirs: Any, ours: Any) -> bool:
    return theirs == "NaT" and ours is None


def one_line(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, str) and theirs.endswith("\n") and ours == theirs.replace("\n", "")


def half(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, str) and ours == re.sub("[\ud800-\udfff]", "\ufffd", theirs) != theirs


def date(theirs: Any, ours: Any) -> bool:
    if not isinstance(theirs, int) or not isinstance(ours, str):
        return False
    texts = {str(np.datetime64(theirs, unit)) for unit in (*UNITS, "ps")}
    return ours in {
        *texts,
        *(pd.Timestamp(np.datetime64(theirs, unit)).isoformat() for unit in ("s", "ms", "us", "ns")),
    }


def duration(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, int) and isinstance(ours, str) and pd.Timedelta(theirs).isoformat() == ours


# By the name that docs/outputs.md gives each.
RULES: dict[str, Callable[[Any, Any], bool]] = {
    "not a number": null,
    "no date": no_date,
    "bytes": one_line,
    "half a character": half,
    "integer dates": date,
    "integer durations": duration,
}


def differences(theirs: Any, ours: Any, place: str = "predictions") -> Iterator[str]:
    """The rule for each place where the answers differ; an assertion where there is none."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and len(theirs) == len(ours):
        for (key, one), (same, other) in zip(theirs.items(), ours.items(), strict=True):
            yield from differences(key, same, f"{place}'s keys")
            yield from differences(one, other, f"{place}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for at, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(one, other, f"{place}[{at}]")
    elif repr(theirs) != repr(ours):  # so that 1 is neither 1.0 nor True, and 0.0 not -0.0
        rules = [name for name, rule in RULES.items() if rule(theirs, ours)]
        assert rules, f"{place}: MLflow has {theirs!r}, we have {ours!r}"
        yield rules[0]


def mlflows(result: Any) -> str | None:
    """MLflow's answer; None where it fails."""
    body = io.StringIO()
    try:
        predictions_to_json(result, body)
    except (TypeError, ValueError, RecursionError, OverflowError):
        return None
    return body.getvalue()


def compared(outputs: ModuleType, result: Any) -> set[str]:
    """The names of the differences; `CANT` where MLflow has no answer, and ours is strict JSON or the model's fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both tell of columns of one name
        theirs = mlflows(result)
        try:
            ours = strict(to_json(outputs.to_value(result)))
        except (TypeError, ValueError):  # what the child answers as the model's fault
            ours = FAULT
    return {CANT} if theirs is None else set(differences(json.loads(theirs)["predictions"], ours))


def strict(body: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(body, parse_constant=refuse)["predictions"]


def deep(levels: int) -> Any:
    inside: Any = 1
    for _ in range(levels):
        inside = [inside]
    return inside


class Point(pydantic.BaseModel):
    x: float
    when: datetime.date
    raw: bytes = b"\0"


NOON = datetime.datetime(2024, 5, 31, 12, 0, 0, 5)
UTC = pd.to_datetime(["2024-05-31T12:00+02:00"])
STRUCTURED = np.array([(1, 0.1, "2024-05-31")], [("a", "i4"), ("b", "f4"), ("c", "M8[s]")])
HALF = pd.DataFrame([["\udc00"]], columns=pd.Index(["\ud800"], dtype=object), dtype=object)
MESSAGE = ChatAgentMessage(role="assistant", content="Hi", id="1")

SAME: dict[str, Any] = {
    "None": None,
    "zero": 0,
    "False": False,
    "empty string": "",
    "empty list": [],
    "empty dict": {},
    "text": "Grüße 😀 \u2028 \0 \x7f",
    "a character in two halves": "\ud83d\ude00",
    "large integers": [2**63, 2**64, -(2**70)],
    "floats": [0.1, 1e300, 5e-324, -0.0, 1e16, 123456789.123],
    "float32": np.array([0.1, 1 / 3, 1e-8, 1e20, -0.0], "f4"),
    "float16": np.array([0.1, 1 / 3, 6e-8, 65504], "f2"),
    "float32, one": np.float32(0.1),
    "float32 in a list": [np.float32(0.1), np.float64(0.1), np.float16(0.1)],
    "float32 without a dimension": np.array(0.1, "f4"),
    "float32 in a dict": {"a": np.array([[0.1]], "f4"), "b": np.array(0.1, "f2")},
    "float32 in a frame": pd.DataFrame({"a": np.array([0.1], "f4"), "b": np.array([0.1], "f2")}),
    "uint64": np.array([2**64 - 1], "u8"),
    "big-endian": np.array([[1, 256]], ">i2"),
    "no rows": np.empty((0, 3)),
    "rows of nothing": np.empty((2, 0)),
    "strings": np.array([["a", ""], ["é", "b"]]),
    "strings without a dimension": np.array("a"),
    "rows of no strings": np.empty((2, 0), "U1"),
    "objects": np.array([1, "a", None, [1, {"b": (2,)}], np.float32(0.1)], object),
    "ragged": np.array([np.array([1, 2]), np.array([3.5])], object),
    "nested in objects": np.array([[np.array(["a"]), {}], [np.int8(1), None]], object),
    "structured": STRUCTURED,
    "record": STRUCTURED.view(np.recarray)[0],
    "matrix": np.asmatrix([[1, 2]]),
    "masked": np.ma.array([[1.5, 2], [3, 4]], mask=[[0, 1], [1, 0]]),
    "masked strings": np.ma.array(["a", "b"], mask=[0, 1]),
    "masked, one": np.ma.masked,
    "np.str_": np.str_("a"),
    "np.bool": np.bool_(True),
    "years": np.array(["2024", "NaT"], "M8[Y]"),
    "weeks": np.array(["2024-05-30"], "M8[W]"),
    "days": np.array([["2024-05-31", "NaT"]], "M8[D]"),
    "hours": np.array(["2024-05-31T12"], "M8[h]"),
    "25 seconds": np.array([68641920], "M8[25s]"),
    "milliseconds": np.array(["2024-05-31T12:00:00.500", "NaT"], "M8[ms]"),
    "microseconds": np.array(["0001-01-01", "9999-12-31T23:59:59.999999"], "M8[us]"),
    "masked days": np.ma.array(np.array(["2024-05-31"] * 2, "M8[D]"), mask=[0, 1]),
    "np.datetime64": [np.datetime64("2024-05-31"), np.datetime64(NOON), np.datetime64("NaT")],
    "days in a list": [np.array(["2024-05-31"], "M8[D]")],
    "dates": [NOON.date(), NOON, NOON.time(), UTC[0], NOON.replace(tzinfo=datetime.UTC)],
    "a date's nanoseconds": pd.Timestamp("2024-05-31T12:00:00.000000001"),
    "keys": {1: "a", False: "b", None: "c", 1.5: "d", math.inf: "e", np.float64(2): "f", np.str_("g"): "h"},
    "two keys of one name": {1: "a", "1": "b"},
    "pydantic": Point(x=0.1, when=NOON.date(), raw=b"").model_copy(update={"raw": None}),
    "pydantic, nested": {"points": [{"a": Point(x=0.1, when=NOON.date()).model_copy(update={"raw": "a"})}]},
    "ChatAgentResponse": ChatAgentResponse(messages=[MESSAGE]),
    "tuples": ((1, "a"), [()]),
    "deep": deep(800),
    "frame": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.1, 2.0], "d": [True, False]}, index=[7, 7]),
    "frame of dates": pd.DataFrame({"a": [NOON, NOON.replace(microsecond=0)]}),
    "frame of nanoseconds": pd.DataFrame({"a": np.array(["2024-05-31T12:00:00.000000001", "2024-05-31"], "M8[ns]")}),
    "frame of days": pd.DataFrame({"a": np.array(["2024-05-31"], "M8[D]")}),
    "frame of dates with a zone": pd.DataFrame({"a": UTC}),
    "frame of dates as objects": pd.DataFrame({"a": pd.Series([NOON.date(), None], dtype=object)}),
    "frame of objects": pd.DataFrame({"a": [[1], {"b": 2}, None, 2**70, np.array([1.5])]}),
    "frame of large integers alone": pd.DataFrame({"a": pd.Series([2**70, 1.5], dtype=object)}),
    "frame of integers or none": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1, 2]}),
    "frame of nullable dtypes": pd.DataFrame(
        {
            "a": pd.array([1], dtype="UInt8"),
            "b": pd.array([True], dtype="boolean"),
            "c": pd.array(["x"], dtype="string"),
            "d": pd.array([0.1], dtype="Float32"),
        }
    ),
    "frame of arrow's dtypes": pd.DataFrame(
        {
            "a": pd.array([1, 2], dtype=pd.ArrowDtype(pa.int8())),
            "b": pd.array([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
            "c": pd.array([NOON.date(), None], dtype=pd.ArrowDtype(pa.date32())),
            "d": pd.array([{"x": 1}, {"x": None}], dtype=pd.ArrowDtype(pa.struct([("x", pa.int64())]))),
            "e": pd.array(["x", None], dtype=pd.ArrowDtype(pa.string())),
            "f": pd.array([0.1, None], dtype=pd.ArrowDtype(pa.float32())),
            "g": pd.array([NOON, NOON], dtype=pd.ArrowDtype(pa.timestamp("ns"))),
            "h": pd.array([True, None], dtype=pd.ArrowDtype(pa.bool_())),
        }
    ),
    "frame of categories": pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": pd.Categorical([2, 1])}),
    "frame of dated categories": pd.DataFrame({"a": pd.Categorical(pd.to_datetime(["2024-05-31"]))}),
    "sparse frame": pd.DataFrame({"a": pd.arrays.SparseArray([0, 1]), "b": pd.arrays.SparseArray([0.5, 0.0])}),
    "frame's odd names": pd.DataFrame([[1, 2, 3, 4, 5]], columns=[1, None, 1.5, math.nan, "é"]),
    "frame's true names": pd.DataFrame([[1, 2]], columns=[True, False]),
    "frame's one name twice": pd.DataFrame([[1, "b", 3.5], [4, "e", 6.5]], columns=["a", "b", "a"]),
    "frame's one name as two": pd.DataFrame([[1, 2]], columns=[1, "1"]),
    "frame without rows": pd.DataFrame({"a": [], "b": pd.Series([], dtype="Int64")}),
    "frame without columns": pd.DataFrame(index=range(3)),
    "frame of nothing": pd.DataFrame(),
    "series": pd.Series([1, 2], index=["x", "y"]),
    "series with a name": pd.Series(["x"], name="a"),
    "series with a number": pd.Series(["x"], name=5),
}

DIFFERENT: dict[str, tuple[Any, set[str]]] = {
    "nan": ([math.nan, {"a": -math.inf}], {"not a number"}),
    "float32 nan": (np.array([[math.nan, 0.1]], "f4"), {"not a number"}),
    "frame with nan": (pd.DataFrame({"a": [math.nan, 0.1], "b": ["x", None]}), {"not a number"}),
    "categories with none": (pd.DataFrame({"a": pd.Categorical(["x", None])}), {"not a number"}),
    "sparse with none": (pd.DataFrame({"a": pd.arrays.SparseArray([math.nan, 0.5])}), {"not a number"}),
    "NaT": ([pd.NaT], {"no date"}),
    "frame with NaT": (pd.DataFrame({"a": pd.to_datetime(["2024-05-31", None])}), {"no date"}),
    "bytes": ([b"a" * 80, bytearray(b"b"), np.bytes_(b"c")], {"bytes"}),
    "bytes array": (np.array([b"a" * 80, b"b"]), {"bytes"}),
    "frame of bytes": (pd.DataFrame({"a": [b"\0"]}), {"bytes"}),
    "pydantic with bytes": (Point(x=math.nan, when=NOON.date()), {"bytes", "not a number"}),
    "half a character": ({"a\ud800": "\udc00b"}, {"half a character"}),
    "frame with half a character": (HALF, {"half a character"}),
    "nanoseconds": (np.array(["2024-05-31T12:00:00.000000001", "NaT"], "M8[ns]"), {"integer dates"}),
    "np.datetime64 of nanoseconds": ([np.datetime64("2024-05-31", "ns")], {"integer dates"}),
    "masked nanoseconds": (np.ma.array(np.array([5, 6], "M8[ns]"), mask=[0, 1]), {"integer dates"}),
    "nanoseconds in a record": (np.array([(5,)], [("a", "M8[ns]")]), {"integer dates"}),
    "picoseconds": (np.array([1500], "M8[ps]"), {"integer dates"}),
    "a date beyond Python's": (np.array(["20240-05-31", "2024-05-31"], "M8[D]"), {"integer dates"}),
    "a time before Python's": (np.array(["-0001-05-31T12"], "M8[us]"), {"integer dates"}),
    "nanoseconds between": (np.array([[90_000_000_001]], "m8[ns]"), {"integer durations"}),
}


def series(array: Any) -> Any:
    try:
        return pd.Series(array)
    except ValueError:  # dates that pandas can't hold
        return pd.Series(list(array), dtype=object)


def nullable(items: list[int | None]) -> Any:
    return pd.Series(pd.array(items, dtype="Int8"))


dtypes = st.one_of(
    hnp.scalar_dtypes(),
    hnp.unicode_string_dtypes(max_len=3),
    hnp.byte_string_dtypes(max_len=3),
    st.builds(lambda unit: np.dtype(f"M8[{unit}]"), st.sampled_from(UNITS)),
)
arrays = dtypes.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.text(st.characters(categories=["Cs", "L"]), max_size=3),
    st.binary(max_size=80),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
    st.times(),
    st.sampled_from([pd.NaT, np.float32(0.1), np.float16("inf"), np.int8(1), np.uint64(2**64 - 1), np.bool_(False)]),
)
keys = st.text(max_size=3) | st.integers() | st.floats() | st.booleans() | st.none()
results = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=10,
)
columns = st.integers(0, 3).flatmap(
    lambda rows: st.lists(
        st.one_of(
            dtypes.flatmap(lambda dtype: hnp.arrays(dtype, rows)).map(series),
            st.lists(results, min_size=rows, max_size=rows).map(lambda items: pd.Series(items, dtype=object)),
            st.lists(st.none() | st.integers(-8, 7), min_size=rows, max_size=rows).map(nullable),
        ),
        min_size=1,
        max_size=4,
    )
)


@pytest.mark.parametrize("result", SAME.values(), ids=SAME.keys())
def test_an_answer_reads_as_mlflows_to_the_last_bit(outputs: ModuleType, result: Any) -> None:
    assert compared(outputs, result) == set()


@pytest.mark.parametrize(("result", "names"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_an_answer_differs_from_mlflows_only_as_documented(outputs: ModuleType, result: Any, names: set[str]) -> None:
    assert compared(outputs, result) == names


@pytest.mark.parametrize("name", RULES)
def test_each_difference_is_explained_in_the_docs(name: str) -> None:
    assert f"| {name} |" in PAGE.read_text()


@given(results)
def test_any_answer_reads_as_mlflows_but_for_these_differences(outputs: ModuleType, result: Any) -> None:
    compared(outputs, result)


@given(columns, st.data())
def test_any_frame_reads_as_mlflows_but_for_these_differences(
    outputs: ModuleType, parts: list[Any], data: st.DataObject
) -> None:
    frame = pd.concat(parts, axis=1)
    frame.columns = pd.Index(data.draw(st.lists(keys, min_size=len(parts), max_size=len(parts))), dtype=object)
    compared(outputs, frame)
    compared(outputs, parts[0])
