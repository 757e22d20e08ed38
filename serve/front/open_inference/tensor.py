"""One input tensor as it came → a numpy array of what its elements stand for. Pure.

What BYTES hold is said by the tensor's own `content_type`, or else by the signature: text, dates as text, JSON for
nested types, and for binary columns base64 in JSON, but the bytes as they are where they can be.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from serve.errors import InvalidInputs
from serve.front.formats.depth import require_shallow
from serve.front.open_inference import elements
from serve.front.open_inference.datatypes import BASE64, BYTES, IN_BYTES, JSON, NUMBERS, Described
from serve.front.open_inference.elements import Array
from serve.signature.spec import Column

WHOLE_REQUEST = ("pd", "np", "dict")  # how MLServer's clients say what a model takes; a signature says it better


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input as it came: `data` is a buffer of raw elements, or a list; `place` is where in the request."""

    place: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    content_type: str | None
    data: memoryview | Any


def read(tensor: Tensor, known: Described | None) -> Array:
    """The tensor as numpy has it; `known` is what the signature says of it."""
    elements.require_known(tensor.datatype, tensor.place)
    take = elements.from_raw if isinstance(tensor.data, memoryview) else elements.from_list
    array = take(tensor.datatype, tensor.shape, tensor.data, tensor.place)
    if tensor.datatype == BYTES:
        return _decoded(array, tensor, known)
    return array if known is None or isinstance(known.field, Column) else _meant(array, known, known.field.dtype)


def document(text: str | bytes, place: str) -> Any:
    """JSON that travels as text."""
    require_shallow(text.encode() if isinstance(text, str) else text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidInputs(f"{place} {_NO_JSON}", place) from None


def _meant(array: Array, known: Described, dtype: str) -> Array:
    """Numbers that the protocol has no datatype for, as the model takes them."""
    meant = np.dtype(dtype)
    if array.dtype.str != NUMBERS.get(known.datatype):
        return array
    if meant.kind == "c" and array.shape[-1:] == (2,):
        return np.ascontiguousarray(array).view(f"<c{array.itemsize * 2}")[..., 0].astype(meant, copy=False)
    if meant.kind == "m":
        return array.view(meant)
    return array.astype(meant, copy=False) if meant.kind == "f" else array


def _decoded(array: Array, tensor: Tensor, known: Described | None) -> Array:
    """An array of strings, bytes or any JSON values, of what the protocol calls BYTES."""
    content_type = _content_type(tensor, known)
    decode, told = _DECODE.get(content_type or "", _AS_TEXT)
    if content_type == BASE64 and tensor.content_type != BASE64:
        decode = _binary
    if content_type == JSON and _read_later(known):
        decode, told = _AS_TEXT
    items: list[Any] = []
    for item in array.ravel().tolist():
        try:
            items.append(None if item is None else decode(item))
        except ValueError:
            place = f"{tensor.place}.data[{len(items)}]"
            raise InvalidInputs(f"{place} {told}", place) from None
    return elements.objects(items, array.shape)


def _content_type(tensor: Tensor, known: Described | None) -> str | None:
    said = tensor.content_type
    if said in IN_BYTES:
        return said
    if said not in (None, *WHOLE_REQUEST):
        place = f"{tensor.place}.parameters.content_type"
        raise InvalidInputs(f"{place} must be one of {', '.join(IN_BYTES)} for BYTES", place)
    return known.content_type if known is not None else None


def _read_later(known: Described | None) -> bool:
    """Whether JSON is read where the column is checked."""
    return known is not None and isinstance(known.field, Column) and known.field.nested


def _text(item: str | bytes) -> str:
    return item if isinstance(item, str) else item.decode()


def _unbase64(item: str | bytes) -> bytes:
    return base64.b64decode(item, validate=True)


def _binary(item: str | bytes) -> bytes:
    return item if isinstance(item, bytes) else _unbase64(item)


_NO_JSON = "is no JSON text, as its type needs"
_Decode = tuple[Callable[[Any], Any], str]  # raises ValueError, and how that is told
_AS_TEXT: _Decode = (_text, f"is not UTF-8; bytes are sent with the content_type {BASE64}")
_DECODE: dict[str, _Decode] = {
    BASE64: (_unbase64, "is no base64, as binary values are written"),
    JSON: (orjson.loads, _NO_JSON),
}
