"""What models return: `SAME` is written alike by MLflow and by us; `DIFFERENT` is not, and names how."""

import datetime
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse


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
    "matrix": np.array([[1, 2]]).view(np.matrix),
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
    "frame's names that are one to Python": pd.DataFrame([[1, 2]], columns=pd.Index([1, True], dtype=object)),
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
    "a picosecond in a list": ([np.datetime64(5, "ps")], {"integer dates"}),
    "a time before Python's": (np.array(["-0001-05-31T12"], "M8[us]"), {"integer dates"}),
    "nanoseconds between": (np.array([[90_000_000_001]], "m8[ns]"), {"integer durations"}),
}
