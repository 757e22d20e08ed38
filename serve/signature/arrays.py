"""Data that came typed (tensors of a protocol, .npy, Arrow, Parquet, CSV) → what a worker takes. Pure.

Here the sender's dtypes are a statement, and MLflow's safe casts apply: int32 → int64 and float64, float32 →
float64, int64 → float64 where all are 0 or 1. Source: mlflow/models/utils.py (`_enforce_mlflow_datatype`,
`_enforce_tensor_spec`). Texts, bytes and nested values are Python objects; null is None.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from serve.child.wire import JSON, Part, Value
from serve.errors import InvalidInputs
from serve.signature import dates, frames, tensors
from serve.signature.flaws import Flaws
from serve.signature.spec import SCALARS, Column, Signature, TensorSpec
from serve.signature.table import Table

Array = np.ndarray[Any, Any]
Named = Mapping[str | None, Array]


def bind(named: Named, signature: Signature, form: str, layout: str = "columns") -> Value:
    """Arrays by name (None for one without) as the value a worker takes, or `InvalidInputs`.

    A column is an array of shape [N] or [N, 1]; for a nested type, of objects, or of texts of JSON. `layout` is
    `Table`'s, for the places of flaws.
    """
    if not signature.checked_here:
        return _unchecked(named)
    specs: Sequence[Column | TensorSpec] = signature.columns or signature.tensors
    matched = _matched(named, specs, form)
    if signature.tensors:
        parts = [
            _tensor(spec, array, _place(form, spec.name))
            for spec, array in zip(signature.tensors, matched, strict=True)
        ]
        return Value("array" if specs[0].name is None else "arrays", tuple(parts))
    flaws = Flaws()
    given = [(spec, array) for spec, array in zip(signature.columns, matched, strict=True) if array is not None]
    found = [_column(spec, array, (form, layout), at, flaws) for at, (spec, array) in enumerate(given)]
    flaws.refuse()
    parts = [part for part in found if part is not None]
    if len({part.shape[0] for part in parts}) != 1:
        raise InvalidInputs(f"{form} must hold columns of the same number of rows", form)
    return Value("frame", tuple(parts))


def _place(form: str, name: str | None) -> str:
    return form if name is None else f"{form}.{name}"


def _matched(named: Named, specs: Sequence[Column | TensorSpec], form: str) -> list[Array | None]:
    """The array for each spec, None for an optional one left out; a lone array fits a lone spec without a name."""
    if len(specs) == len(named) == 1 and (specs[0].name is None or None in named):
        return list(named.values())
    if all(spec.name is None for spec in specs):
        if len(named) != len(specs):
            raise InvalidInputs(f"{form} must hold {len(specs)} arrays, as many as the model takes", form)
        return list(named.values())
    names = [spec.name for spec in specs]
    missing = [spec.name for spec in specs if getattr(spec, "required", True) and spec.name not in named]
    if missing:
        raise InvalidInputs(f"{form} lacks {', '.join(map(repr, missing[:5]))}; the model takes {_list(names)}", form)
    extra = [name for name in named if name not in names]
    if extra:
        called = "an array without a name" if extra[0] is None else repr(extra[0])
        raise InvalidInputs(f"{form} holds {called}, and the model takes {_list(names)}", form)
    return [named.get(name) for name in names]


def _list(names: Sequence[str | None]) -> str:
    shown = ", ".join(map(str, names[:10]))
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _tensor(spec: TensorSpec, array: Array | None, where: str) -> Part:
    assert array is not None  # no tensor is optional
    tensors.require_shape(array.shape, spec, where)
    dtype = np.dtype(spec.dtype)
    if dtype.kind in "OUSM" and array.dtype.kind == "O":
        return _of_objects(spec, dtype, array, where)
    if array.dtype.newbyteorder("<") != dtype and not (array.dtype.kind == dtype.kind and dtype.kind in "USM"):
        raise InvalidInputs(f"{where} is of type {array.dtype.name}; the model takes {dtype.name}", where)
    return _raw(spec.name, dates.cast(array, dtype, where) if dtype.kind == "M" else array)


def _of_objects(spec: TensorSpec, dtype: np.dtype[Any], array: Array, where: str) -> Part:
    """Texts, dates and any objects, item by item."""
    items = [_text(item) for item in array.ravel().tolist()]
    if dtype.kind == "O":
        return Part(spec.name, JSON, array.shape, _dumped(items, where))
    if not all(isinstance(item, str) for item in items):
        raise InvalidInputs(f"{where} must hold strings alone", where)
    return _raw(spec.name, tensors.cast(np.array(items, dtype=np.str_).reshape(array.shape), dtype, where))


def _column(spec: Column, array: Array, body: tuple[str, str], at: int, flaws: Flaws) -> Part | None:
    """One column, cast; None where it has flaws, which are noted."""
    name: Any = spec.name if spec.name is not None else at
    place = _place(body[0], spec.name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.reshape(-1)
    if array.ndim != 1 and not (spec.nested and array.ndim > 1):
        flaws.add(place, f"has shape {list(array.shape)}; a column has shape [N] or [N, 1]")
        return None
    if spec.nested or array.dtype.kind in "OUS":
        return _from_objects(spec, name, array, body, flaws)
    if array.dtype.kind == "M" and spec.type == "datetime":
        return _raw(name, dates.cast(array, np.dtype("<M8[ns]"), place))
    cast = _safely(array, str(spec.type))
    if cast is None:
        flaws.add(place, f"is of type {array.dtype.name}, which is not safely {spec.type}: send {_dtype(spec)}")
        return None
    return _raw(name, cast)


def _dtype(spec: Column) -> str:
    dtype = SCALARS[str(spec.type)]
    return np.dtype(dtype).name if dtype is not None else "text"


def _safely(array: Array, type_: str) -> Array | None:
    """The array as MLflow casts it to a scalar type; None where it would refuse to."""
    target = SCALARS[type_]
    if target is None:
        return None
    dtype = np.dtype(target)
    kind, size = array.dtype.kind, array.dtype.itemsize
    upcast = kind == dtype.kind and size <= dtype.itemsize
    upcast = upcast or (kind == "u" and dtype.kind == "i" and size < dtype.itemsize)
    upcast = upcast or (kind in "iu" and dtype == np.float64 and size <= 4)
    truths = kind == "i" and size == 8 and dtype.kind == "f" and bool(np.isin(array, (0, 1)).all())
    return array.astype(dtype) if upcast or truths else None


def _from_objects(spec: Column, name: Any, array: Array, body: tuple[str, str], flaws: Flaws) -> Part | None:
    """Texts, bytes, nested values, and numbers among nulls, by the rules of JSON."""
    items = array.tolist()
    if spec.nested:
        items = [_loaded(item) for item in items]
    elif spec.type == "binary":
        items = [frames.base64_text(item) if isinstance(item, bytes) else item for item in items]
    else:
        items = [_text(item) for item in items]
    form, layout = body
    if spec.nested:
        _dumped(items, _place(form, spec.name))
    return frames.part(spec, name, Table(form, layout, {name: items}, len(items)), flaws)


def _dumped(items: list[Any], place: str) -> bytes:
    """The items as JSON; refused where one has no form in it."""
    try:
        return orjson.dumps(items)
    except TypeError:
        told = f"{place} holds values without a form in JSON, such as decimals: send numbers or texts"
        raise InvalidInputs(told, place) from None


def _text(item: Any) -> Any:
    if not isinstance(item, bytes):
        return item
    try:
        return item.decode()
    except UnicodeDecodeError:
        return item


def _loaded(item: Any) -> Any:
    """A nested value, which may come as text of JSON."""
    try:
        return orjson.loads(item) if isinstance(item, str | bytes) else item
    except orjson.JSONDecodeError:
        return item


def _raw(name: Any, array: Array) -> Part:
    little = array if array.dtype.byteorder != ">" else array.astype(array.dtype.newbyteorder("<"))
    return Part(name, little.dtype.str, array.shape, tensors.raw(little))


def _unchecked(named: Named) -> Value:
    """A model without a signature gets what came: one array without a name, else a frame or arrays by name."""
    if list(named) == [None]:
        return Value("array", (_any(None, named[None]),))
    columns = all(array.ndim == 1 for array in named.values()) and len({len(one) for one in named.values()}) == 1
    return Value("frame" if columns else "arrays", tuple(_any(name, array) for name, array in named.items()))


def _any(name: str | None, array: Array) -> Part:
    if array.dtype.kind != "O":
        return _raw(name, array)
    items = [_text(item) for item in array.ravel().tolist()]
    if any(isinstance(item, bytes) for item in items):
        raise InvalidInputs(f"{name or 'the data'} holds bytes that are no text, and the model has no signature")
    return Part(name, JSON, array.shape, _dumped(items, name or "the data"))
