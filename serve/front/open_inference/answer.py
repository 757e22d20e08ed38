"""A model's answer → output tensors of the protocol. Pure.

Every answer has a form: an array is one tensor, a dict of arrays one a name, a frame one a column of shape [N, 1],
an object of any JSON one a key. Lists of numbers or texts, nested evenly, are tensors as they are; of any other
list each item is JSON text. Null is NaN among numbers, and an element of BYTES without bytes where it must be binary.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from serve.child import wire
from serve.child.wire import Part, Value
from serve.front.open_inference import elements
from serve.front.open_inference.datatypes import (
    BASE64,
    BYTES,
    DATETIME,
    FP16,
    JSON,
    OF_DTYPE,
    STR,
    Described,
    described,
)
from serve.front.open_inference.elements import Array
from serve.front.open_inference.request import Wanted, require_outputs
from serve.signature.predictions import iso_dates
from serve.signature.spec import Column, Signature

_MOST_EXACT = 2**53  # integers up to here are floats too


@dataclass(frozen=True, slots=True)
class Output:
    """One output tensor: `array` is of the datatype's dtype, or of strings, bytes and None where that is BYTES."""

    name: str
    datatype: str
    array: Array
    content_type: str | None = None

    @property
    def listed(self) -> "Output":
        """The same as lists can carry it, in JSON or in gRPC's typed contents: FP16 has no place there."""
        return replace(self, datatype="FP32", array=self.array.astype("<f4")) if self.datatype == FP16 else self


def outputs(value: Value, signature: Signature, wanted: Wanted) -> list[Output]:
    """The outputs that were asked for, in the order they were; `InvalidInputs` where there is no such."""
    all_of_them = _outputs(value, described(signature.outputs, "output"))
    if wanted.outputs is None:
        return all_of_them
    by_name = {one.name: one for one in all_of_them}
    require_outputs(wanted.outputs, list(by_name))
    return [by_name[name] for name in wanted.outputs]


def _outputs(value: Value, promised: Sequence[Described]) -> list[Output]:
    fields = {one.name: one for one in promised}
    unnamed = bool(promised) and all(one.field.name is None for one in promised)
    if value.kind == "json":
        return _of_document(orjson.loads(bytes(value.parts[0].data)), promised)
    found = []
    for at, part in enumerate(value.parts):
        only = promised[at].name if len(promised) == len(value.parts) and (unnamed or part.name is None) else None
        name = only or part.name or f"output-{at}"
        found.append(_of_part(name, part, fields.get(name), column=value.kind == "frame"))
    return found


def _of_part(name: str, part: Part, known: Described | None, *, column: bool) -> Output:
    shape = (*part.shape, 1) if column else part.shape or (1,)
    if part.dtype in (wire.JSON, wire.BASE64):
        document = orjson.loads(bytes(part.data))
        items = document if part.shape else [document]
        return _of_items(name, items, shape, BASE64 if part.dtype == wire.BASE64 else _text_type(known))
    array = np.require(np.frombuffer(part.data, part.dtype), requirements="A").reshape(shape)
    if array.dtype.kind == "M":
        return Output(name, BYTES, elements.objects(iso_dates(array.reshape(-1)), shape), DATETIME)
    return Output(name, OF_DTYPE[part.dtype], array)


def _of_document(document: Any, promised: Sequence[Described]) -> list[Output]:
    """Any JSON: an object is an output a key, all else one output."""
    if isinstance(document, dict) and document:
        fields = {one.name: one for one in promised}
        return [_of_json(name, item, fields.get(name)) for name, item in document.items()]
    only = promised[0] if len(promised) == 1 else None
    return [_of_json(only.name if only else "output-0", document, only)]


def _of_json(name: str, document: Any, known: Described | None) -> Output:
    items = document if isinstance(document, list) else [document]
    try:
        leaves, nesting = elements.flattened(items)
    except elements.Ragged:
        leaves, nesting = items, (len(items),)
    if known is not None and known.content_type == JSON:
        leaves, nesting = items, (len(items),)
    output = _of_items(name, leaves, nesting, _text_type(known))
    if output.content_type != JSON or len(nesting) == 1:
        return output
    return _of_items(name, items, (len(items),), JSON)


def _text_type(known: Described | None) -> str:
    """What strings are, in an answer that can't say it itself."""
    if known is None or known.content_type not in (DATETIME, BASE64, JSON):
        return STR
    return known.content_type if isinstance(known.field, Column) else STR


def _of_items(name: str, items: list[Any], shape: Sequence[int], text_type: str) -> Output:
    """JSON values as the datatype that fits all of them; as JSON texts where none does, or they are meant to be."""
    kinds = set(map(type, items))
    present = kinds - {type(None)}
    if text_type != JSON:
        if kinds == {bool}:
            return Output(name, "BOOL", np.array(items).reshape(shape))
        if present and present <= {int, float} and (array := _numbers(items, kinds)) is not None:
            return Output(name, "INT64" if array.dtype.kind == "i" else "FP64", array.reshape(shape))
        if present == {str} or not items:
            return _of_texts(name, items, shape, text_type)
    texts = [orjson.dumps(item).decode() for item in items]
    return Output(name, BYTES, elements.objects(texts, shape), JSON)


def _numbers(items: Iterable[int | float | None], kinds: set[type]) -> Array | None:
    """Integers as integers, and as floats with NaN for null where that bends none; None for those too large."""
    try:
        if kinds == {int}:
            return np.array(items, "<i8")
        if float not in kinds and any(abs(item) > _MOST_EXACT for item in items if item is not None):
            return None
        return np.array(items, "<f8")
    except OverflowError:
        return None


def _of_texts(name: str, items: list[str | None], shape: Sequence[int], text_type: str) -> Output:
    found: list[str | bytes | None] = list(items)
    if text_type == BASE64:
        try:
            found = [None if item is None else base64.b64decode(item, validate=True) for item in items]
        except ValueError:
            text_type = STR  # the model did not keep what its signature promised
    return Output(name, BYTES, elements.objects(found, shape), text_type)
