"""Anything a model may return → JSON's own types, or its text. Pure.

What MLflow's scoring server can write reads the same here, but NaN, infinities, NaT and NA are null, dates are
ISO 8601 and bytes are one line of base64. What has no JSON form is the model's fault: the error names its Python
type, never its content. Each type's form is registered with `_nearer`, at the end of this file.
"""

from __future__ import annotations

import base64
import collections.abc
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import math
import sys
import uuid
import warnings
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import pandas as pd

import wire

COLUMNS: Tuple[Any, ...] = (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)

_BARE = (str, int, float, type(None))  # what json writes as it is, and takes as a key
_OWN = (np.ndarray, np.generic, pd.DataFrame, *COLUMNS, dict, list, tuple, *_BARE)

_encode = functools.partial(json.dumps, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def dumps(value: Any) -> bytes:
    """Valid JSON, whatever the model returned: at C's speed where it holds neither NaN nor odd keys."""
    try:
        text = _encode(value, default=_nearer)
    except (TypeError, ValueError, RecursionError):
        text = _encode(_whole(value))
    return _utf8(text)


def name(key: Any) -> str:
    """The name of a column, or the key of a dict, as Python's own json has it: True is "true"."""
    if isinstance(key, tuple):
        return name(str(tuple(map(_plain, key))))
    bare = key if isinstance(key, _BARE) else _nearer(key)
    if not isinstance(bare, _BARE):
        raise TypeError(f"the model returned a name of type {type(key).__name__}, which has no JSON form")
    return _utf8(bare if isinstance(bare, str) else json.dumps(bare)).decode()


def columns(frame: pd.DataFrame) -> Dict[str, pd.Series]:
    """The columns by name; of several with one name the last, as in MLflow's answers, to which 1 and True are one."""
    last = {label: at for at, label in enumerate(frame.columns.tolist())}
    named = {name(label): frame.iloc[:, at] for label, at in last.items()}
    if len(named) < frame.shape[1]:
        warnings.warn("the model returned several columns of one name: only the last is answered", stacklevel=2)
    return named


def array(data: Any) -> np.ndarray:
    """An array or a column of pandas as an array; what is missing where numpy has no word for it is None."""
    if isinstance(data, np.ndarray):
        return data
    column = pd.Series(data.to_flat_index() if isinstance(data, pd.Index) else data)
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    missing = np.asarray(column.isna())
    if column.dtype.kind in "biufM" and not missing.any():
        return column.to_numpy()
    return objects([None if lacks else item for item, lacks in zip(column.tolist(), missing.tolist())])


def items(array: np.ndarray) -> List[Any]:
    """The array's items, row-major, as Python's own; dates as numpy's, for only these know their unit."""
    flat = array.reshape(-1)
    if array.dtype.names:
        return list(zip(*(nested(flat[field]) for field in array.dtype.names)))
    if array.dtype.kind not in "mM":
        return flat.tolist()
    return list(flat.filled(array.dtype.type("NaT")) if isinstance(flat, np.ma.MaskedArray) else flat)


def nested(array: np.ndarray) -> Any:
    """The array's items in nested lists; the item itself where it has no dimension."""
    if array.dtype.kind not in "mMV":
        return array.tolist()
    return objects(items(array)).reshape(array.shape).tolist()


def objects(items: List[Any]) -> np.ndarray:
    """A 1-D object array of `items`, also where they are lists."""
    held = np.empty(len(items), dtype=object)
    for at, item in enumerate(items):
        held[at] = item
    return held


def familiar(result: Any) -> Any:
    """Another library's tensor, sparse matrix, array or table as numpy's or pandas' own; all else as it is."""
    if isinstance(result, _OWN):
        return result
    if isinstance(result, collections.abc.Mapping):
        return dict(result)
    torch, sparse = sys.modules.get("torch"), sys.modules.get("scipy.sparse")
    if torch is not None and isinstance(result, torch.Tensor):
        return _from_tensor(result, torch)
    if sparse is not None and sparse.issparse(result):
        return _from_sparse(result)
    if hasattr(type(result), "__dataframe__"):
        return result.to_pandas()
    return np.asarray(result) if hasattr(type(result), "__array__") else result


class TooLarge(ValueError):
    """The model's answer has more bytes than it may."""


_most_bytes = wire.MAX_BODY_BYTES


def bound(most_bytes: int) -> None:
    """From now on answers may have so many bytes."""
    global _most_bytes
    _most_bytes = min(most_bytes, wire.MAX_BODY_BYTES)


def refuse_too_large(result: Any, size: int) -> None:
    """`TooLarge` where the result takes more bytes than it may."""
    if size > _most_bytes:
        raise TooLarge(
            f"the model returned a {type(result).__name__} of {size} bytes; at most {_most_bytes} can be sent"
        )


def _from_tensor(tensor: Any, torch: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    tensor = tensor if tensor.layout == torch.strided else tensor.to_dense()
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()  # numpy has no bfloat16; float32 holds each of its numbers
    return tensor.resolve_conj().resolve_neg().numpy()


def _from_sparse(matrix: Any) -> np.ndarray:
    refuse_too_large(matrix, math.prod(matrix.shape) * matrix.dtype.itemsize)  # with its zeros it may be huge
    return matrix.toarray()


def _whole(value: Any) -> Any:
    try:
        return _plain(value)
    except RecursionError:
        told = f"the model returned a {type(value).__name__} that holds itself, or is nested too deep for JSON"
        raise TypeError(told) from None


def _plain(value: Any) -> Any:
    """`value` as JSON's own types, recursively."""
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, dict):
        return {name(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (str, int)):  # a subclass, such as a member of an enum
        return str.__str__(value) if isinstance(value, str) else int.__int__(value)
    return _plain(_nearer(value))


def _utf8(text: str) -> bytes:
    """UTF-8; the two halves of a surrogate pair are put together, and one without the other is U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


@functools.singledispatch
def _nearer(value: Any) -> Any:
    """Something nearer to JSON, by the value's type."""
    known = familiar(value)
    if known is not value:
        return known
    if any(base.__name__ == "BaseModel" and base.__module__.startswith("pydantic.") for base in type(value).__mro__):
        return value.model_dump() if hasattr(value, "model_dump") else value.dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return value.to_dict() if hasattr(value, "to_dict") else fields
    raise TypeError(f"the model returned a value of type {type(value).__name__}, which has no JSON form")


@_nearer.register(np.datetime64)
def _date(value: Any) -> Optional[str]:
    if np.isnat(value):
        return None
    held = value.item()
    if isinstance(held, datetime.date):
        return held.isoformat()
    if np.datetime_data(value.dtype)[0] in ("s", "ms", "us", "ns"):
        with contextlib.suppress(ValueError):  # older pandas know no more than 1678 to 2262
            return pd.Timestamp(value).isoformat()
    return str(value)


@_nearer.register(np.timedelta64)
def _duration(value: Any) -> Any:
    if np.isnat(value):
        return None
    held = value.item()
    if isinstance(held, int) and np.datetime_data(value.dtype)[0] != "ns":
        return held  # years, months and picoseconds are no one number of nanoseconds
    return pd.Timedelta(value).isoformat()


@_nearer.register(collections.abc.Set)
def _sorted(value: Any) -> List[Any]:
    """In one order for every process, so that an answer can be reproduced."""
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=repr)


@_nearer.register(pd.DataFrame)
def _records(frame: Any) -> List[Any]:
    named = {key: nested(array(column)) for key, column in columns(frame).items()}
    return [dict(zip(named, row)) for row in zip(*named.values())] if named else [{} for _ in range(len(frame))]


_FORMS: List[Tuple[Any, Callable[[Any], Any]]] = [
    (type(pd.NaT), lambda missing: None),
    (type(pd.NA), lambda missing: None),
    (datetime.date, lambda date: date.isoformat()),
    (datetime.time, lambda time: time.isoformat()),
    (datetime.timedelta, lambda duration: pd.Timedelta(duration).isoformat()),
    (decimal.Decimal, lambda number: float(number) if number.is_finite() else None),
    (enum.Enum, lambda member: member.value),
    (np.ndarray, nested),
    (np.void, lambda record: nested(np.asarray(record))),
    (np.generic, lambda scalar: scalar.item()),
    (np.longdouble, float),
    (np.complexfloating, complex),
    (collections.abc.Sequence, list),
    (collections.abc.ValuesView, list),
    *((kind, lambda data: base64.b64encode(bytes(data)).decode()) for kind in (bytes, bytearray, memoryview)),
    *((kind, lambda column: nested(array(column))) for kind in COLUMNS),
    *((kind, str) for kind in (pd.Period, pd.Interval, uuid.UUID)),
]
for _type, _form in _FORMS:
    _nearer.register(_type, _form)
