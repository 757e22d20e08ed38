"""Bodies of nothing but numbers, straight from JSON into one buffer: an array, or columns of one dtype as a block.

The short way for the commonest requests. What it gives is what the general way would make of the same body, for
callers of either dialect; where it is not sure of that, by the body or by the signature, it gives None.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import simdjson

from serve.child.wire import Part, Value
from serve.signature import params
from serve.signature.binding import Bound, group
from serve.signature.spec import Signature, Uniform

_EXACT = 2.0**106  # the square of the first number that may have come as an integer and be no float
_PARSER_BYTES = 2**20  # a parser keeps as much memory as its largest document needed

_parser = simdjson.Parser()


def read(body: bytes, signature: Signature) -> Bound | None:
    """The body as a worker takes it; None where it has to be read the general way."""
    uniform = signature.uniform
    if uniform is None or not body.startswith(b"{"):
        return None
    try:
        value = _value(body, _parser if len(body) <= _PARSER_BYTES else simdjson.Parser(), uniform)
    except (ValueError, TypeError, RuntimeError, LookupError, AttributeError):  # it is of another form
        return None
    if value is None:
        return None
    if signature.params:
        return Bound(value, params.bind({}, signature.params))
    part = value.parts[0]
    return Bound(value, {}, joint=group(value.kind, part.name, part.dtype, part.shape[1:], part.columns))


def _value(body: bytes, parser: simdjson.Parser, uniform: Uniform) -> Value | None:
    document: Any = parser.parse(body)
    if len(document) != 1:
        return None
    rows = _rows_of_frame(document, uniform) if uniform.columns else _rows_of_array(document)
    shape = _shape(rows, len(uniform.inner) + 1)
    lists = body.count(b"[") - bool(uniform.columns)  # beside the names'
    if lists != _lists(shape) or not _takes(uniform, shape) or not _regular(rows, shape):
        return None
    real = uniform.dtype.kind == "f"
    flat = np.frombuffer(rows.as_buffer(of_type="d" if real else "i"), "<f8" if real else "<i8")
    if not (np.dot(flat, flat) < _EXACT if real else _in_range(flat, uniform.dtype)):
        return None
    data = flat.astype(uniform.dtype, copy=False).data.cast("B")
    return Value(
        "frame" if uniform.columns else "array", (Part(None, uniform.dtype.str, shape, data, uniform.columns),)
    )


def _rows_of_array(document: Any) -> Any:
    return document["inputs" if "inputs" in document else "instances"]


def _rows_of_frame(document: Any, uniform: Uniform) -> Any:
    split = document["dataframe_split"]
    if len(split) != 2 or tuple(split["columns"].as_list()) != uniform.columns:
        raise LookupError
    return split["data"]


def _shape(rows: Any, rank: int) -> tuple[int, ...]:
    """The shape by the first item of each axis; `IndexError` where one has none."""
    shape = [len(rows)]
    while len(shape) < rank:
        rows = rows[0]
        shape.append(len(rows))
    return tuple(shape)


def _takes(uniform: Uniform, shape: Sequence[int]) -> bool:
    return shape[0] > 0 and all(want in (-1, have) for want, have in zip(uniform.inner, shape[1:], strict=True))


def _lists(shape: Sequence[int]) -> int:
    """How many lists there are in nested lists of that shape."""
    each, found = 1, 1
    for length in shape[:-1]:
        each *= length
        found += each
    return found


def _regular(rows: Any, shape: Sequence[int]) -> bool:
    """Whether every list has the length that the shape says. That no item of the last axis is one, `_lists` says."""
    inner = shape[1:]
    if len(inner) < 2:
        return not inner or all(len(row) == inner[0] for row in rows)
    return all(len(row) == inner[0] and _regular(row, inner) for row in rows)


def _in_range(flat: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> bool:
    held = np.iinfo(dtype)
    return bool(flat.size) and held.min <= int(flat.min()) and int(flat.max()) <= held.max
