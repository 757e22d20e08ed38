"""Payloads of tensor signatures → arrays of the declared dtype. Pure.

Nothing is lost or bent on the way: a number that its dtype can't hold, and a value of another kind, is refused.
`bind` also says whether MLflow's own reading is the same: numbers are, texts and dates it reads its own way.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from serve.child.wire import JSON, Part, Value
from serve.errors import InvalidInputs
from serve.signature import dates
from serve.signature.flaws import Hopeless
from serve.signature.payload import Payload, json_word
from serve.signature.spec import TensorSpec


def bind(payload: Payload, specs: Sequence[TensorSpec]) -> tuple[Value, bool]:
    """One array for an unnamed tensor, a dict of arrays for named ones; and whether MLflow reads the same."""
    form = payload.form
    frame = form.startswith("dataframe")
    if len(specs) == 1 and specs[0].name is None:
        data = _rows(payload) if frame else payload.value
        if data is None:
            raise Hopeless(f"{form} is null; the model takes an array there", form)
        parts = [_tensor(specs[0], data, form)]
    else:
        named = _by_name(payload, specs)
        parts = [_tensor(spec, named[str(spec.name)], f"{form}.{spec.name}") for spec in specs]
        if form != "inputs" and len({part.shape[0] for part in parts if part.shape}) > 1:
            raise InvalidInputs(f"{form} must give every tensor the same number of rows", form)
    kind = "array" if specs[0].name is None else "arrays"
    return Value(kind, tuple(parts)), not frame and all(map(_alike, parts))


def numbers(data: Any) -> Value | None:
    """A list of numbers in lists of equal length, as numpy takes it by itself; None for anything else."""
    if not isinstance(data, list):
        return None
    try:
        array = np.asarray(data)
    except (ValueError, OverflowError):
        return None
    if array.dtype.kind not in "biuf" or not array.size:
        return None
    if array.dtype.kind == "f" and bool((np.abs(array) >= _MOST_READ).any()):
        return None
    return Value("array", (Part(None, array.dtype.str, array.shape, raw(array)),))


def _rows(payload: Payload) -> Any:
    """The rows of a frame without their columns' names: one tensor of the columns in their order."""
    if payload.form == "dataframe_split" and isinstance(payload.value, dict) and "data" in payload.value:
        return payload.value["data"]
    if isinstance(payload.value, list) and all(isinstance(row, dict) for row in payload.value):
        return [list(row.values()) for row in payload.value]
    raise InvalidInputs(f"{payload.form} is no frame", payload.form)


def _by_name(payload: Payload, specs: Sequence[TensorSpec]) -> dict[str, Any]:
    """The payload's data by tensor name: `inputs` come tensor by tensor, the other forms row by row."""
    form, value, names = payload.form, payload.value, [str(spec.name) for spec in specs]
    if form == "dataframe_split":
        value = _records(value)
    if form != "inputs":
        value = _transposed(value, names, form)
    elif not isinstance(value, dict) and len(names) == 1:
        value = {names[0]: value}
    if not isinstance(value, dict):
        told = f"{form} must be an object naming the tensors {', '.join(names)}, not {json_word(value)}"
        raise InvalidInputs(told, form)
    for name in names:
        if name not in value:
            raise Hopeless(f"{form} lacks the tensor '{name}'; the model takes {', '.join(names)}", form)
    for name in value:
        if name not in names:
            raise InvalidInputs(f"the model has no tensor '{name}'; it takes {', '.join(names)}", form)
    return value


def _records(split: Any) -> Any:
    try:
        return [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]
    except (TypeError, KeyError, ValueError):
        told = "dataframe_split must be an object with columns and data (a list of rows of as many values)"
        raise InvalidInputs(told, "dataframe_split") from None


def _transposed(rows: Any, names: Sequence[str], form: str) -> Any:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return {names[0]: rows} if len(names) == 1 and form == "instances" else rows
    for at, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise InvalidInputs(f"{form}[{at}] does not name the same tensors as {form}[0]", f"{form}[{at}]")
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else rows


def _tensor(spec: TensorSpec, data: Any, where: str) -> Part:
    """`data` (nested lists) as the spec's dtype and shape, C-order, little-endian."""
    dtype = np.dtype(spec.dtype)
    natural = _natural(data, dtype, where)
    require_shape(natural.shape, spec, where)
    if natural.size and natural.dtype.kind not in _CASTABLE.get(dtype.kind, ""):  # an empty list has no kind of its own
        hopeless = natural.dtype.kind == "U" and dtype.kind in "fiu" and _has_word(data)
        told = f"{where} must hold values of type {dtype.name}, not {_held(natural)}"
        raise (Hopeless if hopeless else InvalidInputs)(told, where)
    if natural.dtype.kind == "U":
        _require_strings(data, where)  # numpy makes strings of the numbers among strings
    if dtype.kind == "O":
        return Part(spec.name, JSON, natural.shape, orjson.dumps(natural.ravel().tolist()))
    array = cast(natural, dtype, where)
    return Part(spec.name, array.dtype.str, array.shape, raw(array))


# Which natural kinds of JSON data a tensor's kind takes without losing anything; a duration is a number of its unit.
_CASTABLE = {
    "f": "fiub",
    "c": "fiubc",
    "i": "iu",
    "u": "iu",
    "b": "b",
    "M": "U",
    "U": "U",
    "S": "U",
    "m": "iu",
    "O": "Ufiub",
}
_MOST_EXACT = 2.0**53
_MOST_READ = 2.0**63  # integers beyond are read as floats here, and not by MLflow


def _alike(part: Part) -> bool:
    """Whether MLflow casts to the same: numbers, unless they were rounded on the way, to float32 or from 2**63 on."""
    if part.dtype == JSON or part.dtype[1] not in "fiubc":
        return False
    array = np.frombuffer(part.data, dtype=part.dtype)
    most = _MOST_EXACT if part.dtype in ("<f4", "<c8") else _MOST_READ
    return part.dtype[1] not in "fc" or part.dtype == "<f2" or not bool((np.abs(array) > most).any())


def raw(array: np.ndarray[Any, Any]) -> memoryview:
    """The array's bytes, without a copy where it is contiguous; always counted in bytes, whatever the dtype."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def cast(natural: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    """An array of a kind that the dtype takes, as that dtype; a number beyond its range is refused."""
    if dtype.kind == "M":
        return dates.parse(natural.ravel().tolist(), lambda at: f"{where}[{at}]").reshape(natural.shape)
    if dtype.kind == "U":
        return natural.astype(np.str_)  # as wide as its longest string: a signature says no width
    if dtype.kind == "S":
        return np.char.encode(natural, "utf-8")
    if dtype.kind in "ium" and natural.size:
        info = np.iinfo(dtype if dtype.kind != "m" else np.int64)
        if natural.min() < info.min or natural.max() > info.max:
            raise InvalidInputs(f"{where} holds a number outside the range of {dtype.name}", where)
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(natural, dtype=dtype).reshape(natural.shape)
    except FloatingPointError as error:
        raise InvalidInputs(f"{where} holds a number outside the range of {dtype.name}", where) from error


def _has_word(data: Any) -> bool:
    return any(isinstance(item, str) and is_word(item) for item in np.asarray(data, dtype=object).flat)


def is_word(text: str) -> bool:
    """Whether the text is no number in any reading: no cast of numpy's takes it."""
    try:
        float(text)
    except ValueError:
        return bool(text.strip())
    return False


def _require_strings(data: Any, where: str) -> None:
    array = np.asarray(data, dtype=object)
    if not all(isinstance(item, str) for item in array.flat):
        raise InvalidInputs(f"{where} must hold strings alone, and holds other values among them", where)


def _natural(data: Any, dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    """The data as numpy takes it by itself; null among floats is NaN."""
    try:
        array = np.asarray(data)
    except (ValueError, OverflowError):
        ragged = InvalidInputs if dtype.kind == "O" else Hopeless
        raise ragged(f"{where} is ragged: its rows must all have the same lengths", where) from None
    if array.dtype.kind == "f" and dtype.kind == "u":
        array = _whole(array, data)
    if array.dtype.kind == "O" and dtype.kind in "fc" and all(_nullable(item) for item in array.flat):
        return array.astype(np.float64 if dtype.kind == "f" else np.complex128)
    if array.dtype.kind == "O":
        told = f"{where} must hold numbers in lists of equal length, and holds {_held(array)}"
        numbers_only = dtype.kind in "iu" or (dtype.kind in "fc" and any(isinstance(item, dict) for item in array.flat))
        raise (Hopeless if numbers_only and _has_no_number(array) else InvalidInputs)(told, where)
    return array


def _whole(array: np.ndarray[Any, Any], data: Any) -> np.ndarray[Any, Any]:
    """As uint64 where the data is whole numbers: of those from 2**63 on, beside smaller ones, numpy makes floats."""
    exact = np.asarray(data, dtype=object)
    if not all(type(item) is int and item >= 0 for item in exact.flat):
        return array
    return exact.astype(np.uint64)


def _has_no_number(array: np.ndarray[Any, Any]) -> bool:
    return any(item is None or isinstance(item, dict) for item in array.flat)


def _nullable(item: Any) -> bool:
    return item is None or (type(item) in (float, int) and abs(item) <= sys.float_info.max)


def _held(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind != "O":
        return {"U": "strings", "f": "fractions", "b": "booleans"}.get(array.dtype.kind, "integers")
    return next((json_word(item) for item in array.flat if not isinstance(item, int | float)), "huge integers")


def require_shape(shape: Sequence[int], spec: TensorSpec, where: str) -> None:
    """Refuse a shape of another rank, or of another length where the spec says one."""
    fits = len(shape) == len(spec.shape) and all(
        want in (-1, have) for have, want in zip(shape, spec.shape, strict=True)
    )
    if not fits:
        told = f"{where} has shape {list(shape)}; the model takes {list(spec.shape)} (-1: any length)"
        raise (InvalidInputs if spec.dtype == "|O" else Hopeless)(told, where)
