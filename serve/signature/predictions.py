"""A model's answer as the JSON that callers get: `{"predictions": …}`. Pure.

Arrays become nested lists; a frame becomes a list of objects, one a row, as MLflow's scoring server has it. A number
reads back as the very float64 that MLflow's answer holds, float32 and float16 too. NaN and infinities become null, so
that a body is always valid JSON; dates are ISO 8601. docs/outputs.md has it type by type.
"""

import json
import re
import sys
from typing import Any

import numpy as np
import orjson

from serve.child.wire import BASE64, JSON, Part, Value

Array = np.ndarray[Any, Any]

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_FEW_BYTES = 512  # up to here Python's own numbers are made, and written, before numpy has begun
_NATIVE = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q"} if sys.byteorder == "little" else {}
_LONG = re.compile(rb"\d{19}")  # there may be an integer beyond 64 bits, which orjson reads as a float
_HELD = range(-(2**63), 2**64)


def to_json(value: Value, *, unwrapped: bool = False) -> bytes:
    """The answer's body; `unwrapped` without `predictions` around it."""
    plain = _plain(value)
    return orjson.dumps(plain if unwrapped else {"predictions": plain}, option=_OPTIONS)


def _plain(value: Value) -> Any:
    if value.kind == "frame":
        names = [str(part.name) for part in value.parts]
        return [dict(zip(names, row, strict=True)) for row in zip(*map(_items, value.parts), strict=True)]
    if value.kind == "arrays":
        return {str(part.name): _nested(part) for part in value.parts}
    return _nested(value.parts[0])


def _nested(part: Part) -> Any:
    """What orjson writes as the part's items in lists as deep as its shape."""
    if part.dtype in _NATIVE and 0 < len(part.data) <= _FEW_BYTES and part.shape:
        return memoryview(part.data).cast("B").cast(_NATIVE[part.dtype], part.shape).tolist()  # type: ignore[call-overload]
    if part.dtype in (JSON, BASE64) and len(part.shape) < 2:
        return orjson.Fragment(bytes(part.data))
    if part.dtype in (JSON, BASE64) or part.dtype[1] == "M":
        return _in_lists(_items(part), part.shape)
    array = _array(part)
    if part.dtype[1] == "f":  # orjson would round a float16 and shorten a float32
        array = array.astype(np.float64, copy=False)
    return array if part.shape else array.item()


def _in_lists(items: list[Any], shape: tuple[int, ...]) -> Any:
    return np.fromiter(items, object, len(items)).reshape(shape).tolist()


def _items(part: Part) -> list[Any]:
    """The part's items, row-major."""
    if part.dtype in (JSON, BASE64):
        return _read(bytes(part.data))
    flat = _array(part).reshape(-1)
    return iso_dates(flat) if flat.dtype.kind == "M" else list(flat.tolist())


def _read(text: bytes) -> list[Any]:
    items: list[Any] = json.loads(text, parse_int=_whole) if _LONG.search(text) else orjson.loads(text)
    return items


def _whole(digits: str) -> Any:
    number = int(digits)
    return number if number in _HELD else orjson.Fragment(digits)


def iso_dates(dates: Array) -> list[Any]:
    """ISO 8601 as Python and pandas write it: a date of its own, a time with as many digits as it needs."""
    held: Array = dates if dates.dtype == "M8[D]" else dates.astype("M8[us]")
    short = [date.isoformat() if date is not None else None for date in held.tolist()]
    fine = (held != dates) & ~np.isnat(dates)
    for at in np.flatnonzero(fine):
        short[at] = str(dates[at])
    return short


def _array(part: Part) -> Array:
    array = np.frombuffer(part.data, dtype=part.dtype)
    return (array if array.flags.aligned else array.copy()).reshape(part.shape)
