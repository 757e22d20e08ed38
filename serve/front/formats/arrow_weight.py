"""What an Arrow array weighs once it is numpy's or Python's (see `bounds`), found without unpacking it.

A few bytes of Arrow can stand for any amount: a billion nulls, a dictionary's long text named a million times, lists
that share their values. So each item is weighed as if it stood alone. In floating point, which knows no overflow.
"""

import numpy as np
import pyarrow as pa
from pyarrow import types

from serve.front.formats import bounds
from serve.front.formats.arrow_arrays import encoded, is_encoded, is_fixed, is_list, lists, spans, storage
from serve.front.formats.columns import Array

_SLOT_BYTES = 8  # what a list or an array of Python objects needs for each


def of(array: pa.Array) -> float:
    """The weight of all the array; `PayloadTooLarge` where it is over the bound."""
    array = storage(array)
    require_few(array)
    if is_fixed(array.type) and not types.is_time(array.type) and not _becomes_objects(array):
        return float(len(array) * _SLOT_BYTES)
    weight = float(_each(array).sum())
    bounds.require(weight)
    return weight


def _becomes_objects(array: pa.Array) -> bool:
    """Whether numbers are no array of numbers for their nulls."""
    return bool(array.null_count and (types.is_integer(array.type) or types.is_boolean(array.type)))


def require_few(array: pa.Array) -> None:
    """Refuse an array of more items than there may be, whatever they are."""
    bounds.require(len(array) * _SLOT_BYTES)


def _each(array: pa.Array) -> Array:
    """The weight of each item."""
    array = storage(array)
    bounds.require(len(array) * bounds.OBJECT_BYTES)
    return bounds.OBJECT_BYTES + _content(array)


def _content(array: pa.Array) -> Array:
    type_ = array.type
    if is_encoded(type_):
        values, positions = encoded(array)
        weights: Array = np.append(_each(values), 0.0)[positions]
        return weights
    if is_list(type_):
        starts, ends = spans(array)
        inner = [np.append(0.0, np.cumsum(_each(values))) for values in lists(array)]
        return sum((totals[ends] - totals[starts] for totals in inner), np.zeros(len(array)))
    if types.is_struct(type_):
        return sum(map(_each, array.flatten()), np.zeros(len(array)))
    return _lengths(array)


def _lengths(array: pa.Array) -> Array:
    """The bytes of texts and the like."""
    type_ = array.type
    if types.is_string_view(type_) or types.is_binary_view(type_):
        views = np.frombuffer(array.buffers()[1] or b"", "<i4").reshape(-1, 4)  # of 16 bytes, the length first
        viewed: Array = np.maximum(0, views[array.offset : array.offset + len(array), 0]).astype(float)
        return viewed
    if types.is_large_string(type_) or types.is_large_binary(type_) or types.is_string(type_) or types.is_binary(type_):
        wide = types.is_large_string(type_) or types.is_large_binary(type_)
        offsets = np.frombuffer(array.buffers()[1] or b"", "<i8" if wide else "<i4", array.offset + len(array) + 1)
        lengths: Array = np.diff(offsets[array.offset :].astype(float))
        return lengths
    fixed = types.is_fixed_size_binary(type_) or types.is_decimal(type_)
    weights: Array = np.full(len(array), float(type_.byte_width if fixed else _SLOT_BYTES))
    return weights
