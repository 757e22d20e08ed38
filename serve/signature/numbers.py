"""Bodies of nothing but numbers, straight from JSON into one buffer: an array, or columns of one dtype as a block.

The short way for the commonest requests. What it gives is what the general way would make of the same body, for
callers of either dialect; where it is not sure of that, by the body or by the signature, it gives None.
"""

from typing import Any

import numpy as np
import simdjson

from serve.child.wire import Part, Value
from serve.signature import params
from serve.signature.binding import Bound, group
from serve.signature.spec import Signature, Uniform

_EXACT = 2.0**53  # up to here an integer is a float exactly, and a float32 no matter by which way
_PARSER_BYTES = 2**20  # a parser keeps as much memory as its largest document needed
_FEW = 1024
_WIDEST = {"d": np.dtype("<f8"), "i": np.dtype("<i8")}  # by the name simdjson has for it
SHORT_BYTES = 2**20  # are read in a millisecond or two

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
    if uniform.columns:
        rows, names = _rows_of_frame(document, uniform), 1
    else:
        rows, names = document["inputs" if "inputs" in document else "instances"], 0
    shape, lists = _measured(rows, uniform.inner)
    if body.count(b"[") != lists + names:  # an item of the last axis is a list itself
        return None
    flat = np.frombuffer(rows.as_buffer(of_type=uniform.read_as), _WIDEST[uniform.read_as])
    if not flat.size or not (_is_exact(flat) if uniform.read_as == "d" else _is_held(flat, uniform.dtype)):
        return None
    data = flat.astype(uniform.dtype, copy=False).data.cast("B")
    return Value(uniform.kind, (Part(None, uniform.code, shape, data, uniform.columns),))


def _rows_of_frame(document: Any, uniform: Uniform) -> Any:
    split = document["dataframe_split"]
    if len(split) != 2 or tuple(split["columns"].as_list()) != uniform.columns:
        raise LookupError
    return split["data"]


def _measured(rows: Any, inner: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """The shape of nested lists, and how many they are; `LookupError` where they are none of that shape."""
    if not inner:
        return (len(rows),), 1
    if len(inner) == 1:
        tails = {len(row) for row in rows}
        if len(tails) != 1:
            raise LookupError
        shape, lists = (len(rows), *tails), 1 + len(rows)
    else:
        parts = {_measured(row, inner[1:]) for row in rows}
        if len(parts) != 1:
            raise LookupError
        ((tail, each),) = parts
        shape, lists = (len(rows), *tail), 1 + len(rows) * each
    if inner[0] not in (-1, shape[1]):
        raise LookupError
    return shape, lists


def _is_exact(flat: np.ndarray[Any, Any]) -> bool:
    """Whether all are within ±2⁵³.

    Of few, one product says so faster than the least and the largest do, and errs to no; of many, it would wake BLAS's
    threads, on cores that others need.
    """
    if flat.size > _FEW:
        return bool(np.minimum.reduce(flat) >= -_EXACT and np.maximum.reduce(flat) <= _EXACT)
    return bool(np.vdot(flat, flat) <= _EXACT**2)  # which, unlike `dot`, does not warn of what is beyond every float


def _is_held(flat: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> bool:
    held = np.iinfo(dtype)
    return bool(held.min <= np.minimum.reduce(flat) and np.maximum.reduce(flat) <= held.max)
