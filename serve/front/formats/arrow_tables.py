"""A model's answer as a table of Arrow: numbers and dates in their own types, NaN and infinities as they are.

Items that are JSON are strings, booleans, int64, float64, lists or structs where they are all of one kind, and texts
of JSON where they are not. Made from buffers, for `pyarrow.array` imports pandas where there is one.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from serve.child.wire import Value
from serve.front.formats import answers
from serve.front.formats.columns import Array
from serve.signature.spec import Signature


def table(value: Value, signature: Signature) -> pa.Table:
    """The answer's columns; `NotAcceptable` where it is no table."""
    named = answers.table(value, signature)
    columns = [_of_array(one) if isinstance(one, np.ndarray) else _of_items(one) for one in named.values()]
    return pa.Table.from_arrays(columns, names=list(named))


def _of_array(array: Array) -> pa.Array:
    if array.ndim > 1:
        inner = _of_array(array.reshape(-1, *array.shape[2:]))
        return pa.Array.from_buffers(pa.list_(inner.type, array.shape[1]), len(array), [None], children=[inner])
    kind = array.dtype.kind
    if kind != "M":
        data = np.packbits(array, bitorder="little") if kind == "b" else np.ascontiguousarray(array)
        return _primitive(pa.from_numpy_dtype(array.dtype), data, None, len(array))
    known = ~np.isnat(array)
    if np.datetime_data(array.dtype)[0] == "D":
        return _primitive(pa.date32(), array.astype("<i8").astype("<i4"), known, len(array))
    return _primitive(pa.timestamp(np.datetime_data(array.dtype)[0]), np.ascontiguousarray(array), known, len(array))


def _primitive(type_: pa.DataType, data: Array, known: Array | None, count: int) -> pa.Array:
    return pa.Array.from_buffers(type_, count, [_validity(known), pa.py_buffer(data.view(np.uint8))])


def _validity(known: Array | None) -> pa.Buffer | None:
    return None if known is None or known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))


def _of_items(items: Sequence[Any]) -> pa.Array:
    kinds = {type(item) for item in items if item is not None}
    known = np.fromiter((item is not None for item in items), dtype=bool, count=len(items))
    if not kinds:
        return pa.nulls(len(items))
    if kinds == {list}:
        return _lists(items, known)
    if kinds == {dict} and any(items):
        return _structs(items, known)
    if kinds <= {bool} or kinds <= {int, float}:
        return _numbers(items, known, float if float in kinds else kinds.pop())
    if kinds == {bytes}:
        return _texts(pa.binary(), items, known)
    if kinds == {str}:
        return _texts(pa.string(), [item.encode() if item is not None else None for item in items], known)
    return _texts(pa.string(), [orjson.dumps(item) if item is not None else None for item in items], known)


def _numbers(items: Sequence[Any], known: Array, kind: type) -> pa.Array:
    try:
        numbers: Array = np.array([item if item is not None else 0 for item in items], dtype=kind)
    except OverflowError:  # JSON's integers go to 2**64
        return _texts(pa.string(), [orjson.dumps(item) if item is not None else None for item in items], known)
    data = np.packbits(numbers, bitorder="little") if kind is bool else numbers
    return _primitive(pa.from_numpy_dtype(numbers.dtype), data, known, len(items))


def _texts(type_: pa.DataType, items: Sequence[bytes | None], known: Array) -> pa.Array:
    data = b"".join(item or b"" for item in items)
    offsets = _offsets(items)
    if offsets[-1] < 2**31:
        offsets = offsets.astype(np.int32)
    else:
        type_ = pa.large_string() if type_ == pa.string() else pa.large_binary()
    return pa.Array.from_buffers(
        type_, len(items), [_validity(known), pa.py_buffer(offsets.view(np.uint8)), pa.py_buffer(data)]
    )


def _offsets(items: Sequence[Any]) -> Array:
    lengths = np.fromiter((len(item or ()) for item in items), dtype=np.int64, count=len(items))
    return np.append(0, np.cumsum(lengths))


def _lists(items: Sequence[list[Any] | None], known: Array) -> pa.Array:
    inner = _of_items(list(chain.from_iterable(item or () for item in items)))
    offsets = pa.py_buffer(_offsets(items).view(np.uint8))
    return pa.Array.from_buffers(pa.large_list(inner.type), len(items), [_validity(known), offsets], children=[inner])


def _structs(items: Sequence[dict[str, Any] | None], known: Array) -> pa.Array:
    names = dict.fromkeys(name for item in items for name in item or ())
    inner = [_of_items([(item or {}).get(name) for item in items]) for name in names]
    type_ = pa.struct([(name, one.type) for name, one in zip(names, inner, strict=True)])
    return pa.Array.from_buffers(type_, len(items), [_validity(known)], children=inner)
