"""The elements of one tensor: raw buffers and lists, as the protocol has them ⇄ numpy arrays. Pure.

A tensor of BYTES is an array of dtype object, whose elements are strings, bytes or None. What does not fit its
shape or its datatype is refused with its place ('inputs[0].data[3]'), and never repeated.
"""

import itertools
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from serve.errors import InvalidInputs
from serve.front.open_inference.datatypes import BF16, BYTES, FP16, NUMBERS
from serve.signature.payload import json_word

Array = np.ndarray[Any, Any]

_LENGTH = struct.Struct("<I")
_MOST_AXES = 32  # what every numpy that a model may run under can hold
_MOST_ELEMENTS = 2**40  # far more than a body holds; beyond that numpy fails even where an axis is of length 0


class Ragged(Exception):
    """Lists within a list are not all of the same length."""


def count(shape: Sequence[int], place: str) -> int:
    """How many elements a tensor of this shape has."""
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        told = f"{place}.shape must be at most {_MOST_AXES} whole numbers, none of them negative"
        raise InvalidInputs(told, f"{place}.shape")
    if math.prod(max(1, size) for size in shape) > _MOST_ELEMENTS:
        raise InvalidInputs(f"{place}.shape is of more elements than any body holds", f"{place}.shape")
    return math.prod(shape)


def require_known(datatype: str, place: str) -> None:
    """Refuse a datatype that is not read here."""
    if datatype == BF16:
        raise InvalidInputs(f"{place} is of datatype BF16, which is not read here: send FP32", f"{place}.datatype")
    if datatype not in NUMBERS and datatype != BYTES:
        told = f"{place}.datatype must be one of {', '.join(NUMBERS)}, {BYTES}"
        raise InvalidInputs(told, f"{place}.datatype")


def from_raw(datatype: str, shape: Sequence[int], data: memoryview, place: str) -> Array:
    """The array in a buffer: little-endian, row-major, without padding; it is a view and read-only."""
    elements = count(shape, place)
    if datatype == BYTES:
        return objects(_split(data, elements, place), shape)
    dtype = np.dtype(NUMBERS[datatype])
    if len(data) != elements * dtype.itemsize:
        told = f"{place} has {len(data)} bytes of data; its shape and datatype take {elements * dtype.itemsize}"
        raise InvalidInputs(told, place)
    if datatype == "BOOL" and (np.frombuffer(data, np.uint8) > 1).any():
        raise InvalidInputs(f"{place} holds a byte that is neither 0 nor 1, as BOOL is written", place)
    return np.frombuffer(data, dtype).reshape(shape)


def from_list(datatype: str, shape: Sequence[int], data: Any, place: str) -> Array:
    """The array in a list, flat or nested as the shape says; null is NaN among floats, elsewhere None."""
    if not isinstance(data, list):
        raise InvalidInputs(f"{place}.data must be a list, not {json_word(data)}", f"{place}.data")
    if datatype == FP16:
        raise InvalidInputs(f"{place} is of datatype FP16, which only binary data can carry", f"{place}.datatype")
    flat, nesting = _flat(data, shape, place)
    _check_kinds(datatype, flat, nesting, place)
    if datatype == BYTES or (None in flat and not datatype.startswith("FP")):
        return objects(flat, shape)
    try:
        with np.errstate(over="raise"):
            return np.array(flat, NUMBERS[datatype]).reshape(shape)
    except (OverflowError, FloatingPointError):
        told = f"{place}.data holds a number outside the range of {datatype}"
        raise InvalidInputs(told, f"{place}.data") from None


def flattened(data: list[Any]) -> tuple[list[Any], tuple[int, ...]]:
    """The leaves of nested lists, and their nesting as a shape; `Ragged` where that is none."""
    nesting: tuple[int, ...] = (len(data),)
    while list in (kinds := set(map(type, data))):
        lengths = set(map(len, data)) if len(kinds) == 1 else set()
        if len(lengths) != 1:
            raise Ragged
        nesting = (*nesting, *lengths)
        data = list(itertools.chain.from_iterable(data))
    return data, nesting


def to_raw(array: Array) -> bytes:
    """The array's elements as the binary form has them; None is an element without bytes."""
    if array.dtype != object:
        return array.tobytes()
    texts = [item if isinstance(item, bytes) else (item or "").encode() for item in array.ravel()]
    return b"".join(itertools.chain.from_iterable((_LENGTH.pack(len(text)), text) for text in texts))


def _split(data: memoryview, elements: int, place: str) -> list[bytes]:
    """BYTES elements, each after its length in four bytes."""
    found: list[bytes] = []
    at, end = 0, len(data)
    while at + _LENGTH.size <= end:
        begin = at + _LENGTH.size
        at = begin + _LENGTH.unpack_from(data, at)[0]
        found.append(bytes(data[begin:at]))
    if at != end:
        raise InvalidInputs(f"{place} ends in the middle of element {max(0, len(found) - (at > end))}", place)
    if len(found) != elements:
        raise InvalidInputs(f"{place} has {len(found)} elements of data; its shape takes {elements}", place)
    return found


def _flat(data: list[Any], shape: Sequence[int], place: str) -> tuple[list[Any], tuple[int, ...]]:
    """The leaves, as many as the shape takes; lists within lists must be nested as it says, but for axes of 1."""
    try:
        flat, nesting = flattened(data)
    except Ragged:
        told = f"{place}.data must be a flat list, or nested in lists of equal lengths"
        raise InvalidInputs(told, f"{place}.data") from None
    elements = count(shape, place)
    if len(flat) != elements:
        raise InvalidInputs(f"{place} has {len(flat)} elements of data; its shape takes {elements}", place)
    if len(nesting) > 1 and _longer(nesting) != _longer(shape):
        told = f"{place}.data is nested as {list(nesting[:8])}, and its shape is {list(shape[:8])}"
        raise InvalidInputs(told, f"{place}.data")
    return flat, nesting


def _longer(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _check_kinds(datatype: str, flat: list[Any], nesting: tuple[int, ...], place: str) -> None:
    """Refuse elements that are not of the kind their datatype takes."""
    takes = {*_TAKES.get(datatype, (int,)), type(None)}
    if set(map(type, flat)) <= takes:
        return
    first = next(at for at, item in enumerate(flat) if type(item) not in takes)
    path = "".join(f"[{index}]" for index in np.unravel_index(first, nesting))
    told = f"{place}.data{path} is {_word(flat[first])}; {datatype} takes {_TOLD.get(datatype, 'whole numbers')}"
    raise InvalidInputs(told, f"{place}.data{path}")


_TAKES: dict[str, tuple[type, ...]] = {
    "BOOL": (bool,),
    "FP32": (float, int),
    "FP64": (float, int),
    BYTES: (str, bytes),
}
_TOLD = {"BOOL": "true and false", "FP32": "numbers", "FP64": "numbers", BYTES: "strings"}


def _word(item: Any) -> str:
    return "a fraction" if isinstance(item, float) else json_word(item)


def objects(items: Sequence[Any], shape: Sequence[int]) -> Array:
    """An array of Python objects, whatever they are."""
    return np.fromiter(items, object, len(items)).reshape(shape)
