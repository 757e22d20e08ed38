"""An Arrow array's own buffers as numpy arrays, for arrays that were fully validated.

Arrow's own `to_numpy` is not used: it makes floats of integers with nulls, and imports pandas where there is one.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from serve.front.formats.columns import Array

_DTYPES = {
    pa.int8(): "<i1",
    pa.int16(): "<i2",
    pa.int32(): "<i4",
    pa.int64(): "<i8",
    pa.uint8(): "<u1",
    pa.uint16(): "<u2",
    pa.uint32(): "<u4",
    pa.uint64(): "<u8",
    pa.float16(): "<f2",
    pa.float32(): "<f4",
    pa.float64(): "<f8",
    pa.date32(): "<i4",
    pa.time32("s"): "<i4",
    pa.time32("ms"): "<i4",
    pa.time64("us"): "<i8",
    pa.time64("ns"): "<i8",
    pa.date64(): "<M8[ms]",
}


def storage(array: pa.Array) -> pa.Array:
    """The array without a type that only says how it is meant, such as `arrow.uuid`."""
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def is_fixed(type_: pa.DataType) -> bool:
    """Whether `fixed` reads arrays of this type."""
    return type_ in _DTYPES or types.is_boolean(type_) or types.is_timestamp(type_) or types.is_duration(type_)


def fixed(array: pa.Array) -> Array:
    """Values of fixed width, anything at all where they are null."""
    count, type_ = array.offset + len(array), array.type
    data = array.buffers()[1] or b""
    if types.is_boolean(type_):
        return _bits(data, array)
    if types.is_timestamp(type_) or types.is_duration(type_):
        dtype = f"<{'M' if types.is_timestamp(type_) else 'm'}8[{type_.unit}]"
    else:
        dtype = _DTYPES[type_]
    numbers = np.frombuffer(data, dtype, count)[array.offset :]
    if types.is_time(type_):  # of the day, here of the first
        return numbers.astype("<i8").view(f"<M8[{type_.unit}]")
    return numbers.astype("<M8[D]") if types.is_date(type_) else numbers


def valid(array: pa.Array) -> Array | None:
    """Which values are not null; None where all are known."""
    return _bits(array.buffers()[0], array) if array.null_count else None


def _bits(data: pa.Buffer, array: pa.Array) -> Array:
    count = array.offset + len(array)
    unpacked = np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")
    return unpacked[array.offset :].astype(bool)


def is_encoded(type_: pa.DataType) -> bool:
    """Whether the values stand elsewhere, each once."""
    return bool(types.is_dictionary(type_) or types.is_run_end_encoded(type_))


def encoded(array: pa.Array) -> tuple[pa.Array, Array]:
    """The values, and for each item which of them it is; -1 for null."""
    if types.is_dictionary(array.type):
        positions, known = fixed(array.indices).astype(np.int64), valid(array.indices)
        return array.dictionary, positions if known is None else np.where(known, positions, -1)
    ends = np.clip(fixed(array.run_ends).astype(np.int64) - array.offset, 0, len(array))
    return array.values, np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))


def is_list(type_: pa.DataType) -> bool:
    """Whether each item is a run of the values of another array; so is a map, of its entries."""
    return any(is_one(type_) for is_one in _LISTS)


_LISTS = (
    types.is_list,
    types.is_large_list,
    types.is_fixed_size_list,
    types.is_list_view,
    types.is_large_list_view,
    types.is_map,
)


def spans(array: pa.Array) -> tuple[Array, Array]:
    """Where in its values each list begins and ends; the two are equal where it is null."""
    if types.is_fixed_size_list(array.type):
        starts = (array.offset + np.arange(len(array))) * array.type.list_size
        ends = starts + array.type.list_size
    elif types.is_list_view(array.type) or types.is_large_list_view(array.type):
        starts = fixed(array.offsets).astype(np.int64)
        ends = starts + fixed(array.sizes)
    else:
        starts, ends = fixed(array.offsets)[:-1], fixed(array.offsets)[1:]
    known = valid(array)
    return starts, ends if known is None else np.where(known, ends, starts)


def lists(array: pa.Array) -> tuple[pa.Array, ...]:
    """The values that the items of a list are made of; the keys and the items of a map."""
    return (array.keys, array.items) if types.is_map(array.type) else (array.values,)


def with_nulls(values: Array, known: Array | None) -> Array:
    """The values with null where they are not known: NaN, NaT, or else None among Python objects."""
    if known is None:
        return values
    nulled: Array = values.copy() if values.dtype.kind in "fMmO" else values.astype(object)
    nulled[~known] = _NULLS.get(nulled.dtype.kind)
    return nulled


_NULLS: dict[str, Any] = {"f": np.nan, "M": np.datetime64("NaT"), "m": np.timedelta64("NaT")}
