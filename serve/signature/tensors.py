"""Payloads of tensor signatures, and of models without a signature → arrays of the declared dtype. Pure.

Nothing is lost or bent on the way: a number that its dtype can't hold, and a value of another kind, is refused.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from serve.child.wire import JSON, Part, Value
from serve.errors import InvalidInputs
from serve.signature import dates
from serve.signature.payload import Payload, json_word
from serve.signature.spec import TensorSpec


def bind(payload: Payload, specs: Sequence[TensorSpec]) -> Value:
    """One array for an unnamed tensor, a dict of arrays for named ones."""
    if not specs:
        return _unchecked(payload)
    if len(specs) == 1 and specs[0].name is None:
        return Value("array", (_tensor(specs[0], payload.value, payload.form),))
    named = _by_name(payload, specs)
    parts = tuple(_tensor(spec, named[str(spec.name)], f"{payload.form}.{spec.name}") for spec in specs)
    if payload.form == "instances" and len({part.shape[0] for part in parts if part.shape}) > 1:
        raise InvalidInputs("instances must give every tensor the same number of rows")
    return Value("arrays", parts)


def _by_name(payload: Payload, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    """The payload's data by tensor name: `instances` come row by row, `inputs` tensor by tensor."""
    value, names = payload.value, [str(spec.name) for spec in specs]
    if payload.form == "instances":
        value = _transposed(value, names)
    elif not isinstance(value, dict) and len(names) == 1:
        value = {names[0]: value}
    if not isinstance(value, dict):
        raise InvalidInputs(
            f"{payload.form} must be an object naming the tensors {', '.join(names)}, not {json_word(value)}"
        )
    for name in names:
        if name not in value:
            raise InvalidInputs(f"{payload.form} lacks the tensor '{name}'; the model takes {', '.join(names)}")
    for name in value:
        if name not in names:
            raise InvalidInputs(f"the model has no tensor '{name}'; it takes {', '.join(names)}")
    return value


def _transposed(rows: Any, names: Sequence[str]) -> Any:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return {names[0]: rows} if len(names) == 1 else rows
    for at, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise InvalidInputs(f"instances[{at}] does not name the same tensors as instances[0]")
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else rows


def _tensor(spec: TensorSpec, data: Any, where: str) -> Part:
    """`data` (nested lists) as the spec's dtype and shape, C-order, little-endian."""
    dtype = np.dtype(spec.dtype)
    natural = _natural(data, where)
    if natural.size and natural.dtype.kind not in _CASTABLE[dtype.kind]:  # an empty list has no kind of its own
        raise InvalidInputs(f"{where} must hold values of type {dtype.name}, not {_held(natural)}")
    if natural.dtype.kind == "U":
        _require_strings(data, where)  # numpy makes strings of the numbers among strings
    _checked_shape(natural, spec, where)
    if dtype.kind == "O":
        return Part(spec.name, JSON, natural.shape, orjson.dumps(natural.ravel().tolist()))
    array = _cast(natural, dtype, where)
    return Part(spec.name, array.dtype.str, array.shape, raw(array))


# Which natural kinds of JSON data a tensor's kind takes without losing anything.
_CASTABLE = {"f": "fiub", "c": "fiub", "i": "iu", "u": "iu", "b": "b", "M": "U", "U": "U", "S": "U", "O": "Ufiub"}


def raw(array: np.ndarray[Any, Any]) -> memoryview:
    """The array's bytes, without a copy where it is contiguous; always counted in bytes, whatever the dtype."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _cast(natural: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    if dtype.kind == "M":
        return dates.parse(natural.ravel().tolist(), where).reshape(natural.shape)
    if dtype.kind == "U":
        return natural  # as wide as its longest string: a signature says no width
    if dtype.kind == "S":
        return np.char.encode(natural, "utf-8")
    if dtype.kind in "iu" and natural.size:
        info = np.iinfo(dtype)
        if natural.min() < info.min or natural.max() > info.max:
            raise InvalidInputs(f"{where} holds a number outside the range of {dtype.name}")
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(natural, dtype=dtype).reshape(natural.shape)
    except FloatingPointError as error:
        raise InvalidInputs(f"{where} holds a number outside the range of {dtype.name}") from error


def _require_strings(data: Any, where: str) -> None:
    array = np.asarray(data, dtype=object)
    if not all(isinstance(item, str) for item in array.flat):
        raise InvalidInputs(f"{where} must hold strings alone, and holds other values among them")


def _natural(data: Any, where: str) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise InvalidInputs(f"{where} is ragged: its rows must all have the same lengths") from error
    if array.dtype.kind == "O":
        raise InvalidInputs(f"{where} must hold numbers in lists of equal length, and holds {_held(array)}")
    return array


def _held(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind != "O":
        return {"U": "strings", "f": "fractions", "b": "booleans"}.get(array.dtype.kind, "integers")
    return next((json_word(item) for item in array.flat if not isinstance(item, (int, float))), "huge integers")


def _checked_shape(array: np.ndarray[Any, Any], spec: TensorSpec, where: str) -> tuple[int, ...]:
    fits = len(array.shape) == len(spec.shape) and all(
        want in (-1, have) for have, want in zip(array.shape, spec.shape, strict=True)
    )
    if not fits:
        raise InvalidInputs(
            f"{where} has shape {list(array.shape)}; the model takes {list(spec.shape)} (-1: any length)"
        )
    return tuple(array.shape)


def _unchecked(payload: Payload) -> Value:
    """A model without a signature: numbers as an array, a dict as arrays, anything else as it came."""
    value = payload.value
    if isinstance(value, list):
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError):
            array = np.empty(0, dtype=object)
        if array.dtype.kind in "biuf" and array.ndim:
            return Value("array", (Part(None, array.dtype.str, array.shape, raw(array)),))
    return Value("json", (Part(None, JSON, (), orjson.dumps(value)),))
