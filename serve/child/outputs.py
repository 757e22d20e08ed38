"""What a model returned → one value for each entry; always expressible as valid JSON.

Numbers stay raw arrays with their dtype. Everything else becomes plain JSON: NaN, infinities, NaT and NA are
null, dates are ISO 8601, bytes are base64. A shape or type that can't be expressed is the model's fault.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from typing import Any, List, Optional

import numpy as np
import pandas as pd

import wire

_RAW_KINDS = "biuf"


def objects(items: List[Any], encoded: bool) -> np.ndarray:
    """A 1-D object array of `items`; base64 strings become bytes where `encoded`."""
    array = np.empty(len(items), dtype=object)
    for at, item in enumerate(items):
        array[at] = base64.b64decode(item) if encoded and item is not None else item
    return array


def split(result: Any, rows: List[int]) -> Optional[List[Any]]:
    """`result` cut into pieces of `rows` rows each; None where it has not exactly one row for each asked."""
    if isinstance(result, dict):
        cut_columns = [split(column, rows) for column in result.values()]
        pieces = [column for column in cut_columns if column is not None]
        whole = bool(pieces) and len(pieces) == len(cut_columns)
        return [dict(zip(result, row)) for row in zip(*pieces)] if whole else None
    if isinstance(result, np.ndarray) and result.ndim == 0:
        return None
    if not isinstance(result, (np.ndarray, pd.DataFrame, pd.Series, list)) or len(result) != sum(rows):
        return None
    ends = np.cumsum(rows).tolist()
    cut = result.iloc if isinstance(result, (pd.DataFrame, pd.Series)) else result
    return [cut[end - count : end] for end, count in zip(ends, rows)]


def to_value(result: Any) -> wire.Value:
    """The result as a value of the wire."""
    if isinstance(result, pd.Series):
        result = pd.DataFrame(result)
    if isinstance(result, pd.DataFrame):
        columns = [result.iloc[:, at] for at in range(result.shape[1])]
        return wire.Value("frame", tuple(_column(str(column.name), column) for column in columns))
    if isinstance(result, np.ndarray) and _is_raw(result):
        return wire.Value("array", (_raw(None, result),))
    if isinstance(result, dict) and result and all(_is_raw(item) for item in result.values()):
        return wire.Value("arrays", tuple(_raw(str(name), item) for name, item in result.items()))
    return wire.Value("json", (wire.Part(None, wire.JSON, (), dumps(result)),))


def dumps(value: Any) -> bytes:
    """Valid JSON, whatever the model returned."""
    text = json.dumps(plain(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # half a surrogate pair has no UTF-8


def plain(value: Any) -> Any:
    """`value` as JSON's own types, recursively."""
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return _records(pd.DataFrame(value))
    return _leaf(value)


def _leaf(value: Any) -> Any:
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.ndarray):
        return plain(value.astype("datetime64[us]").tolist() if value.dtype.kind == "M" else value.tolist())
    if isinstance(value, np.datetime64):
        return plain(pd.Timestamp(value))
    if isinstance(value, (float, decimal.Decimal, np.longdouble)):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if isinstance(value, (str, int)):  # a subclass, such as a member of an enum
        return str.__str__(value) if isinstance(value, str) else int(value)
    raise TypeError(f"the model returned a {type(value).__name__}, which has no JSON form")


def _records(frame: pd.DataFrame) -> List[Any]:
    columns = {str(name): plain(frame[name].tolist()) for name in frame}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _column(name: str, column: pd.Series) -> wire.Part:
    if isinstance(column.dtype, np.dtype) and _is_raw(column.to_numpy()):
        return _raw(name, column.to_numpy())
    return wire.Part(name, wire.JSON, (len(column),), dumps(column.tolist()))


def _is_raw(array: Any) -> bool:
    """Whether the array crosses as it is; one with a mask does not, for its masked items are null."""
    plain_array = isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray)
    return plain_array and array.dtype.kind in _RAW_KINDS and array.dtype.itemsize <= 8


def _raw(name: Optional[str], array: np.ndarray) -> wire.Part:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return wire.Part(name, little.dtype.str, array.shape, little.tobytes())
