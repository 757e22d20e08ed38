"""A model's answer as a table, for the formats that hold one: columns by name, each an array or a list. Pure.

A frame's columns and a dict's arrays keep their names. An array's columns, if it has more than one axis, and a lone
column are named as the signature's outputs where those are as many, else 0, 1, …. Of JSON, a list of objects is
rows, an object of lists of one length is columns, any other object one row, and anything else one column.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import NotAcceptable
from serve.front.formats.columns import Array
from serve.signature.spec import Signature

Column = Array | list[Any]  # a list holds JSON's values and bytes


def table(value: Value, signature: Signature) -> dict[str, Column]:
    """The columns of the answer, all of one length; `NotAcceptable` where they are not."""
    named = _table(value, signature)
    if len({len(column) for column in named.values()}) > 1:
        raise NotAcceptable("the model's answer is no table, for its arrays differ in length: ask for application/json")
    return named


def _table(value: Value, signature: Signature) -> dict[str, Column]:
    if value.kind == "json":
        return _of_json(orjson.loads(bytes(value.parts[0].data)), signature)
    if value.kind == "array":
        return _of_array(column(value.parts[0]), signature)
    return {str(part.name): column(part) for part in value.parts}


def column(part: Part) -> Column:
    """A part's items; one where it has no axis."""
    shape = part.shape or (1,)
    if part.dtype not in (JSON, BASE64):
        return np.require(np.frombuffer(part.data, dtype=part.dtype), requirements="A").reshape(shape)
    found = orjson.loads(bytes(part.data))
    items = found if part.shape else [found]
    if part.dtype == BASE64:
        items = [None if item is None else base64.b64decode(item) for item in items]
    if len(shape) == 1:
        return list(items)
    nested: list[Any] = np.fromiter(items, dtype=object, count=len(items)).reshape(shape).tolist()
    return nested


def _of_array(items: Column, signature: Signature) -> dict[str, Column]:
    if isinstance(items, np.ndarray) and items.ndim == 2:
        return dict(zip(_names(items.shape[1], signature), items.T, strict=True))
    return {_names(1, signature)[0]: items}


def _of_json(found: Any, signature: Signature) -> dict[str, Column]:
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        names = dict.fromkeys(name for row in found for name in row)
        return {name: [row.get(name) for row in found] for name in names}
    if isinstance(found, dict) and found:
        return _of_object(found)
    return {_names(1, signature)[0]: found if isinstance(found, list) else [found]}


def _of_object(found: Mapping[str, Any]) -> dict[str, Column]:
    lengths = {len(one) if isinstance(one, list) else None for one in found.values()}
    by_column = len(lengths) == 1 and None not in lengths
    return {name: one if by_column else [one] for name, one in found.items()}


def _names(count: int, signature: Signature) -> Sequence[str]:
    names = [output.name for output in signature.outputs if output.name is not None]
    return names if len(names) == len(signature.outputs) == count else [str(at) for at in range(count)]
