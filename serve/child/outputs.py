"""What a model returned → one value for each entry; always expressible as valid JSON.

An array, a dict of arrays and a frame keep their shape, and hold each name once: numbers stay raw buffers with their
dtype, dates become `<M8[D]`, `<M8[us]` or `<M8[ns]`, bytes base64, all else JSON, item by item. Any other result is
one JSON value. It reads as what MLflow's scoring server writes; docs/outputs.md lists where it differs.
"""

from __future__ import annotations

import datetime
import json
from typing import Any, List, Optional, Tuple

import numpy as np
import pandas as pd

import plain
import wire

_ARRAYS: Tuple[Any, ...] = (np.ndarray, *plain.COLUMNS)
_OF_ROWS: Tuple[Any, ...] = (*_ARRAYS, pd.DataFrame, list)
_BYTES = {bytes, bytearray, np.bytes_}
_DATE_UNITS = {"Y": "D", "M": "D", "W": "D", "D": "D", "h": "us", "m": "us", "s": "us", "ms": "us", "us": "us"}


def split(result: Any, rows: List[int]) -> Optional[List[Any]]:
    """`result` cut into pieces of `rows` rows each; None where it has not exactly one row for each asked.

    A tuple, a set, a string and bytes have a length but no rows: they are never cut, nor is a dict that holds one.
    """
    result = plain.familiar(result)
    if isinstance(result, dict):
        cut_columns = [split(column, rows) for column in result.values()]
        pieces = [column for column in cut_columns if column is not None]
        whole = bool(pieces) and len(pieces) == len(cut_columns)
        return [dict(zip(result, row)) for row in zip(*pieces)] if whole else None
    if not isinstance(result, _OF_ROWS) or getattr(result, "ndim", 1) == 0:
        return None
    if len(result) != sum(rows):
        return None
    ends = np.cumsum(rows).tolist()
    cut = result.iloc if isinstance(result, (pd.DataFrame, pd.Series)) else result
    return [cut[end - count : end] for end, count in zip(ends, rows)]


class WrongRows(ValueError):
    """The model did not answer each row with one row."""


def require_rows(answer: wire.Value, asked: wire.Value) -> None:
    """`WrongRows` where the answer has not as many rows as `asked`, whose form says how many these are."""
    lengths = {part.shape[:1] for part in asked.parts}
    if asked.kind == "request" or len(lengths) != 1 or lengths == {()}:
        return
    given = _rows({part.name: _shape(part) for part in answer.parts})
    if given != asked.rows:
        raise WrongRows(f"{asked.rows} rows with {'what has none' if given is None else given}")


def _shape(part: wire.Part) -> Any:
    return range(part.shape[0]) if part.shape else json.loads(bytes(part.data)) if part.dtype == wire.JSON else None


def _rows(plainly: Any) -> Optional[int]:
    """How many rows what is JSON's own has: a list its items, a dict what all that it holds have."""
    if isinstance(plainly, dict):
        lengths = {_rows(column) for column in plainly.values()}
        return lengths.pop() if len(lengths) == 1 else None
    return len(plainly) if isinstance(plainly, (list, range)) else None


def joined(result: Any, rows: int) -> Optional[wire.Value]:
    """The result of a batch of so many rows as one value, which cut by rows is what `split` would make of it.

    None where it has other rows, or where not all of it crosses as raw numbers or dates.
    """
    result = plain.familiar(result)
    if not _is_raw(result):
        return None
    value = to_value(result)
    raw = all(part.dtype not in (wire.JSON, wire.BASE64) and part.shape[:1] == (rows,) for part in value.parts)
    return value if raw and value.parts else None


def _is_raw(result: Any) -> bool:
    if isinstance(result, dict):
        return bool(result) and all(isinstance(one, np.ndarray) and _is_raw(one) for one in result.values())
    if isinstance(result, np.ndarray):
        return result.dtype.kind in "biufM" and result.ndim > 0
    if isinstance(result, (pd.DataFrame, pd.Series)):
        return all(dtype.kind in "biufM" for dtype in pd.DataFrame(result).dtypes)
    return False


def to_value(result: Any) -> wire.Value:
    """The result as a value of the wire."""
    value = _value(plain.familiar(result))
    plain.refuse_too_large(result, sum(len(part.data) for part in value.parts))
    return value


def _value(result: Any) -> wire.Value:
    if isinstance(result, pd.Series):
        result = pd.DataFrame(result)
    if isinstance(result, pd.DataFrame) and result.shape[1]:
        return wire.Value("frame", tuple(_part(name, column) for name, column in plain.columns(result).items()))
    if isinstance(result, dict) and result:
        named = {plain.name(key): plain.familiar(item) for key, item in result.items()}
        if all(isinstance(item, _ARRAYS) for item in named.values()):
            return wire.Value("arrays", tuple(_part(name, item) for name, item in named.items()))
    if isinstance(result, (bytes, bytearray, memoryview)):
        result = np.array(bytes(result), dtype=object)
    if isinstance(result, _ARRAYS):
        return wire.Value("array", (_part(None, result),))
    return wire.Value("json", (wire.Part(None, wire.JSON, (), plain.dumps(result)),))


def _part(name: Optional[str], data: Any) -> wire.Part:
    array = plain.array(data)
    typed = _typed(array)
    if typed is not None:
        little = np.ascontiguousarray(typed, dtype=typed.dtype.newbyteorder("<"))
        return wire.Part(name, little.dtype.str, array.shape, little.tobytes())
    items = plain.items(array)
    kinds = set(map(type, items)) - {type(None)}
    dtype = wire.BASE64 if kinds and kinds <= _BYTES else wire.JSON
    return wire.Part(name, dtype, array.shape, plain.dumps(items if array.ndim else items[0]))


def _typed(array: np.ndarray) -> Optional[np.ndarray]:
    """The array whose buffer crosses as it is; None where it crosses as JSON, as with a mask, whose items are null."""
    if isinstance(array, np.ma.MaskedArray):
        return None
    if array.dtype.kind == "M":
        return _dates(array)
    return array if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8 else None


def _dates(array: np.ndarray) -> Optional[np.ndarray]:
    """The dates in one of the wire's three units; None where they are finer, or before or after Python's years."""
    unit = np.datetime_data(array.dtype)[0]
    if unit not in _DATE_UNITS:
        return array if unit == "ns" else None
    years = array.astype("M8[Y]").astype(np.int64) + 1970
    dated = np.isnat(array) | ((years >= datetime.MINYEAR) & (years <= datetime.MAXYEAR))
    return array.astype(f"M8[{_DATE_UNITS[unit]}]") if dated.all() else None
