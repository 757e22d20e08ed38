"""A model's answer as the JSON that callers get: `{"predictions": …}`. Pure.

Arrays become nested lists; a frame becomes a list of objects, one a row, as MLflow's scoring server has it.
NaN and infinities become null, so that a body is always valid JSON.
"""

from typing import Any

import numpy as np
import orjson

from serve.child.wire import JSON, Part, Value

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def to_json(value: Value) -> bytes:
    """The answer's body."""
    return orjson.dumps({"predictions": _plain(value)}, option=_OPTIONS)


def _plain(value: Value) -> Any:
    if value.kind == "json":
        return orjson.Fragment(bytes(value.parts[0].data))
    if value.kind == "array":
        return _array(value.parts[0])
    if value.kind == "arrays":
        return {str(part.name): _array(part) for part in value.parts}
    names = [str(part.name) for part in value.parts]
    return [dict(zip(names, row, strict=True)) for row in zip(*map(_column, value.parts), strict=True)]


def _array(part: Part) -> Any:
    array = np.require(np.frombuffer(part.data, dtype=part.dtype), requirements="A").reshape(part.shape)
    return array if array.ndim else array.item()


def _column(part: Part) -> list[Any]:
    if part.dtype == JSON:
        column: list[Any] = orjson.loads(bytes(part.data))
        return column
    return list(_array(part).tolist())
