import datetime
import decimal
from typing import Any

import numpy as np
import pyarrow as pa

from serve.front.formats import arrow_columns, arrow_stream
from tests.serve.front.formats.tables import stream

BIG = 2**53 + 1
NS = pa.timestamp("ns")
ONE_AND_A_HALF = decimal.Decimal("1.50")

TYPES: list[tuple[Any, list[Any], list[Any], str]] = [
    (pa.int8(), [1, -1], [1, -1], "<i8"),
    (pa.uint8(), [255, 0], [255, 0], "|u1"),
    (pa.uint16(), [1, 2], [1, 2], "<u2"),
    (pa.int32(), [1, 2], [1, 2], "<i4"),
    (pa.uint64(), [2**64 - 1, 0], [2**64 - 1, 0], "<u8"),
    (pa.int64(), [BIG, None], [BIG, None], "|O"),
    (pa.uint64(), [2**64 - 1, None], [2**64 - 1, None], "|O"),
    (pa.bool_(), [True, False], [True, False], "|b1"),
    (pa.bool_(), [True, None], [True, None], "|O"),
    (pa.float16(), [np.float16(1.5), np.float16(2)], [1.5, 2], "<f2"),
    (pa.float32(), [1.5, None], [1.5, np.nan], "<f4"),
    (pa.float64(), [np.inf, None], [np.inf, np.nan], "<f8"),
    (pa.string(), ["é", None], ["é", None], "|O"),
    (pa.large_string(), ["", None], ["", None], "|O"),
    (pa.string_view(), ["long enough to stand elsewhere", None], ["long enough to stand elsewhere", None], "|O"),
    (pa.binary(), [b"\xff", None], [b"\xff", None], "|O"),
    (pa.large_binary(), [b"\xff", b""], [b"\xff", b""], "|O"),
    (pa.binary_view(), [b"\xff" * 40, None], [b"\xff" * 40, None], "|O"),
    (pa.binary(2), [b"ab", None], [b"ab", None], "|O"),
    (pa.decimal128(5, 2), [ONE_AND_A_HALF, None], [ONE_AND_A_HALF, None], "|O"),
    (pa.decimal256(50, 2), [ONE_AND_A_HALF, None], [ONE_AND_A_HALF, None], "|O"),
    (pa.date32(), [datetime.date(2020, 1, 2), None], ["2020-01-02", "NaT"], "<M8[D]"),
    (pa.date64(), [datetime.date(2020, 1, 2), None], ["2020-01-02", "NaT"], "<M8[D]"),
    (pa.timestamp("s"), [1, 2], ["1970-01-01T00:00:01", "1970-01-01T00:00:02"], "<M8[s]"),
    (NS, [1, None], ["1970-01-01T00:00:00.000000001", "NaT"], "<M8[ns]"),
    (pa.timestamp("us", "Europe/Berlin"), [0, None], ["1970-01-01T00:00:00.000000", "NaT"], "<M8[us]"),
    (pa.duration("ms"), [1, None], [1, "NaT"], "<m8[ms]"),
    (pa.time32("s"), [3661, None], ["01:01:01", None], "|O"),
    (pa.time64("ns"), [1, None], ["00:00:00.000000001", None], "|O"),
    (pa.null(), [None, None], [None, None], "|O"),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None], ["a", None], "|O"),
    (pa.dictionary(pa.int32(), pa.int64()), [BIG, BIG], [BIG, BIG], "<i8"),
    (pa.dictionary(pa.int32(), pa.float64()), [1.5, None], [1.5, np.nan], "<f8"),
    (pa.dictionary(pa.int32(), pa.string()), [None, None], [None, None], "|O"),
    (pa.list_(pa.int64()), [[BIG, None], None], [[BIG, None], None], "|O"),
    (pa.large_list(pa.string()), [["a"], []], [["a"], []], "|O"),
    (pa.list_(pa.float32(), 2), [[1, 2], None], [[1, 2], None], "|O"),
    (pa.list_(NS), [[1, None], []], [["1970-01-01T00:00:00.000000001", None], []], "|O"),
    (pa.list_(pa.timestamp("s", "UTC")), [[1], []], [["1970-01-01T00:00:01+00:00"], []], "|O"),
    (pa.list_(pa.binary()), [[b"\xff"], []], [["/w=="], []], "|O"),
    (pa.list_(pa.dictionary(pa.int8(), pa.string())), [["a", None], []], [["a", None], []], "|O"),
    (
        pa.struct({"a": pa.int64(), "b": pa.list_(pa.bool_())}),
        [{"a": 1, "b": [True]}, None],
        [{"a": 1, "b": [True]}, None],
        "|O",
    ),
    (pa.struct([]), [{}, None], [{}, None], "|O"),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b", None)], None], [{"a": 1, "b": None}, None], "|O"),
]
IN_PARQUET = ("list<item: float>[2]", "struct<>")  # which Arrow does not write there with nulls, or at all


def made(array: pa.Array) -> pa.Table:
    return pa.table({"x": array})


def read(table: pa.Table, *, tensors: bool = False) -> np.ndarray[Any, Any]:
    return arrow_columns.read(arrow_stream.read(stream(table)), tensors=tensors)["x"]


def plain(array: np.ndarray[Any, Any]) -> list[Any]:
    if array.dtype.kind == "M":
        return list(np.datetime_as_string(array))
    return [one if not np.isnat(one) else "NaT" for one in array.view("i8").tolist()] if False else array.tolist()
