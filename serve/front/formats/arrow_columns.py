"""A table of Arrow, of whatever types → columns as numpy arrays, with nothing lost.

Numbers and dates keep their dtype; null is NaN among floats and NaT among dates. Integers and booleans with nulls,
texts, bytes and decimals are Python objects, null None; so are lists, structs and maps, as lists and dicts, whose
dates are ISO 8601 texts and bytes base64, as in JSON. Times of day are ISO 8601 texts anywhere. A date with a time
zone is that moment in UTC.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from serve.errors import MalformedRequest
from serve.front.formats import arrow_weight, bounds
from serve.front.formats.arrow_arrays import (
    encoded,
    fixed,
    is_encoded,
    is_fixed,
    is_list,
    lists,
    spans,
    storage,
    valid,
    with_nulls,
)
from serve.front.formats.columns import Array


def read(table: pa.Table, *, tensors: bool) -> dict[str | None, Array]:
    """The table's columns but for pandas' index; where `tensors`, lists of equal lengths are one array."""
    index = _index(table.schema)
    _require_readable(table.schema)
    table.validate(full=True)
    named: dict[str | None, Array] = {}
    weight = 0.0
    for name in table.column_names:
        if name not in index:
            chunks = table.column(name).chunks
            array = _dense(chunks) if tensors else None
            if array is None:
                weight += sum(map(arrow_weight.of, chunks))
                bounds.require(weight)
                array = _joined([_array(chunk) for chunk in chunks])
            named[name] = array
    return named


def _index(schema: pa.Schema) -> frozenset[str]:
    """The columns that pandas wrote as the index of its frame, and would read as that again."""
    try:
        described = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        return frozenset(one for one in described if isinstance(one, str))
    except (ValueError, KeyError, TypeError):
        return frozenset()


def _require_readable(schema: pa.Schema) -> None:
    names = set()
    for field in schema:
        if field.name in names:
            raise MalformedRequest(f"the table names the column '{field.name}' twice")
        if (unread := _unread(field.type, nested=False)) is not None:
            told = f"the column '{field.name}' is of or holds the Arrow type {unread}, which is not read here"
            raise MalformedRequest(told)
        names.add(field.name)


def _unread(type_: pa.DataType, *, nested: bool) -> str | None:
    """The type in it that has no value of numpy's or of JSON."""
    if isinstance(type_, pa.FixedShapeTensorType) and type_.permutation is not None:
        return "fixed_shape_tensor with a permutation"
    if isinstance(type_, pa.BaseExtensionType):
        return _unread(type_.storage_type, nested=nested)
    if types.is_union(type_) or types.is_interval(type_) or (nested and types.is_duration(type_)):
        return "union" if types.is_union(type_) else str(type_)
    if types.is_map(type_) and not _is_text(type_.key_type):
        return "map with keys other than string"
    inner = [type_.value_type] if is_encoded(type_) else [type_.field(at).type for at in range(type_.num_fields)]
    return next((found for one in inner if (found := _unread(one, nested=not is_encoded(type_)))), None)


def _is_text(type_: pa.DataType) -> bool:
    plain = type_.value_type if is_encoded(type_) else type_
    return bool(types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain))


def _joined(arrays: Sequence[Array]) -> Array:
    if not arrays:
        return np.empty(0, dtype=object)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _dense(chunks: Sequence[pa.Array]) -> Array | None:
    """Numbers as one array of all their axes; None where they are none, or not in lists of equal lengths."""
    arrays = [_tensor(chunk) for chunk in chunks]
    found = [array for array in arrays if array is not None]
    alike = len(found) == len(arrays) and len({array.shape[1:] for array in found}) == 1
    return _joined(found) if alike else None


def _tensor(array: pa.Array) -> Array | None:
    array = storage(array)
    if is_fixed(array.type) and not types.is_time(array.type):
        numbers = with_nulls(fixed(array), valid(array))
        return numbers if numbers.dtype.kind != "O" else None
    if not is_list(array.type) or types.is_map(array.type) or array.null_count or not len(array):
        return None
    arrow_weight.require_few(array)
    starts, ends = spans(array)
    length = int(ends[0] - starts[0])
    if (starts != starts[0] + np.arange(len(array)) * length).any() or (ends != starts + length).any():
        return None
    inner = _tensor(array.values[int(starts[0]) : int(ends[-1])])
    return inner.reshape(len(array), length, *inner.shape[1:]) if inner is not None else None


def _array(array: pa.Array) -> Array:
    """The array's items, one each."""
    array = storage(array)
    if is_encoded(array.type):
        values, positions = encoded(array)
        known, items = positions >= 0, _array(values)
        found = items[positions] if known.any() else np.zeros(len(array), items.dtype)  # there may be no values at all
        return with_nulls(found, None if known.all() else known)
    if is_fixed(array.type) and not types.is_time(array.type):
        return with_nulls(fixed(array), valid(array))
    return np.fromiter(_items(array), dtype=object, count=len(array))


def _items(array: pa.Array) -> list[Any]:
    """The array's items as Python's values, null as None."""
    array = storage(array)
    if is_encoded(array.type):
        values, positions = encoded(array)
        items = [*_items(values), None]
        return [items[position] for position in positions]
    if is_list(array.type):
        return _lists(array)
    if types.is_struct(array.type):
        return _structs(array)
    if is_fixed(array.type):
        return _nulled(_plain(array), array)
    plain: list[Any] = array.to_pylist()
    return plain


def _inner(array: pa.Array) -> list[Any]:
    """The same within a list or a struct, where bytes are base64 as in JSON."""
    return [base64.b64encode(item).decode() if type(item) is bytes else item for item in _items(array)]


def _nulled(items: list[Any], array: pa.Array) -> list[Any]:
    known = valid(array)
    return items if known is None else [item if ok else None for item, ok in zip(items, known, strict=True)]


def _plain(array: pa.Array) -> list[Any]:
    values = fixed(array)
    if values.dtype.kind != "M":
        plain: list[Any] = values.tolist()
        return plain
    texts = np.datetime_as_string(values).tolist()
    if types.is_time(array.type):
        return [text.partition("T")[2] for text in texts]
    return [f"{text}+00:00" for text in texts] if getattr(array.type, "tz", None) else list(texts)


def _lists(array: pa.Array) -> list[Any]:
    starts, ends = spans(array)
    pieces = list(zip(starts.tolist(), ends.tolist(), strict=True))
    inner = [_inner(values) for values in lists(array)]
    if types.is_map(array.type):
        keys, values = inner
        found: list[Any] = [dict(zip(keys[start:end], values[start:end], strict=True)) for start, end in pieces]
    else:
        found = [inner[0][start:end] for start, end in pieces]
    return _nulled(found, array)


def _structs(array: pa.Array) -> list[Any]:
    names = [array.type.field(at).name for at in range(array.type.num_fields)]
    if len(set(names)) < len(names):
        raise MalformedRequest("a struct names one of its fields twice")
    inner = [_inner(child) for child in array.flatten()]
    rows = zip(*inner, strict=True) if inner else [()] * len(array)
    return _nulled([dict(zip(names, row, strict=True)) for row in rows], array)
