"""An MLflow signature as data, read from the JSON that MLflow writes into `MLmodel`.

Source of the format: mlflow/types/schema.py (`Schema.to_dict`, `ParamSchema.to_dict`). A type that no version of
MLflow known here writes (such as Spark's vectors) is read as `AnyType`: MLflow itself checks it in the worker.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# MLflow's scalar column types and the numpy dtype each becomes; None stays a column of Python objects.
SCALARS: Mapping[str, str | None] = {
    "boolean": "|b1",
    "integer": "<i4",
    "long": "<i8",
    "float": "<f4",
    "double": "<f8",
    "string": None,
    "binary": None,
    "datetime": "<M8[ns]",
}


@dataclass(frozen=True, slots=True)
class AnyType:
    """Any JSON value."""


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A list of values of one type."""

    items: "Type"


@dataclass(frozen=True, slots=True)
class MapType:
    """An object of any keys, whose values are of one type."""

    values: "Type"


@dataclass(frozen=True, slots=True)
class Property:
    """One key of an `ObjectType`."""

    name: str
    type: "Type"
    required: bool


@dataclass(frozen=True, slots=True)
class ObjectType:
    """An object of named properties."""

    properties: tuple[Property, ...]


Type = str | AnyType | ArrayType | MapType | ObjectType  # a str is a key of SCALARS


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `name` is None in a signature that names none."""

    name: str | None
    type: Type
    required: bool

    @property
    def nested(self) -> bool:
        return not isinstance(self.type, str)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor: `dtype` is numpy's ('<f4'), `shape` holds -1 where any length will do."""

    name: str | None
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Param:
    """One inference param: `shape` is None for a scalar, (-1,) for a list."""

    name: str
    type: Type
    default: Any
    shape: tuple[int, ...] | None

    @property
    def told(self) -> Any:
        """The default as JSON can say it: null where it is no finite number."""
        return _finite(self.default)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Inputs that are numbers of one dtype alone: a tensor of shape (rows, *inner), or that many `columns`.

    What follows from them: the `kind` of their `wire.Value`, the `code` of the dtype, and what JSON's numbers are read
    as, the widest of the dtype's sort ("d" or "i").
    """

    dtype: np.dtype[Any]
    inner: tuple[int, ...]
    columns: tuple[str, ...]
    kind: str = field(init=False)
    code: str = field(init=False)
    read_as: str = field(init=False)

    def __post_init__(self) -> None:
        for name, value in {
            "kind": "frame" if self.columns else "array",
            "code": self.dtype.str,
            "read_as": "d" if self.dtype.kind == "f" else "i",
        }.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Signature:
    """What goes in, what comes out. `columns` or `tensors` is empty; both are where there is no signature."""

    columns: tuple[Column, ...] = ()
    tensors: tuple[TensorSpec, ...] = ()
    outputs: tuple[Column | TensorSpec, ...] = ()
    params: tuple[Param, ...] = ()
    type_hint: bool = False
    uniform: Uniform | None = field(init=False, compare=False, repr=False)  # found once, asked for by each request

    def __post_init__(self) -> None:
        object.__setattr__(self, "uniform", _uniform(self))

    @property
    def checked_here(self) -> bool:
        """Whether this server knows what the inputs must be; else MLflow reads and checks them in the worker."""
        return not self.type_hint and bool(self.tensors or self.columns)

    @property
    def named(self) -> bool:
        """Whether the inputs have names; MLflow lets all have one, or none."""
        specs: tuple[Column | TensorSpec, ...] = (*self.columns, *self.tensors)
        return all(spec.name is not None for spec in specs)


def _uniform(signature: Signature) -> Uniform | None:
    if signature.type_hint:
        return None
    if len(signature.tensors) == 1:
        spec = signature.tensors[0]
        fits = spec.name is None and spec.dtype in _NUMBERS and spec.shape[:1] == (-1,)
        return Uniform(np.dtype(spec.dtype), spec.shape[1:], ()) if fits else None
    types = {column.type for column in signature.columns}
    dtype = SCALARS.get(str(types.pop())) if len(types) == 1 else None
    names = tuple(column.name for column in signature.columns if column.name is not None)
    fits = dtype in _NUMBERS and len(set(names)) == len(signature.columns)  # MLflow lets two columns share a name
    return Uniform(np.dtype(dtype), (len(names),), names) if fits else None


_NUMBERS = ("<f4", "<f8", "<i4", "<i8")


def parse(recorded: Mapping[str, Any] | None, *, type_hint: bool = False) -> Signature:
    """The signature in an MLmodel's `signature:` entry; an empty one where there is none.

    `type_hint` is the MLmodel's `is_signature_from_type_hint`: inputs are then what the model's own code says.

    Raises ValueError, KeyError, TypeError or AttributeError where it is not what MLflow writes.
    """
    if not recorded:
        return Signature()
    columns, tensors = _schema(recorded.get("inputs"))
    out_columns, out_tensors = _schema(recorded.get("outputs"))
    params = _entries(recorded.get("params"))
    return Signature(
        columns,
        tensors,
        out_columns or out_tensors,
        tuple(_param(entry) for entry in params),
        type_hint,
    )


def _schema(text: str | None) -> tuple[tuple[Column, ...], tuple[TensorSpec, ...]]:
    entries = _entries(text)
    tensors = tuple(_tensor(entry) for entry in entries if entry["type"] == "tensor")
    columns = tuple(_column(entry) for entry in entries if entry["type"] != "tensor")
    return columns, tensors


def _entries(text: str | None) -> Any:
    """What MLflow wrote as JSON; a `ValueError` also where half a surrogate pair is in it, which has no UTF-8."""
    entries = json.loads(text) if text else []
    json.dumps(entries, ensure_ascii=False).encode()
    return entries


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return {key: _finite(one) for key, one in value.items()} if isinstance(value, dict) else value


def _column(entry: Mapping[str, Any]) -> Column:
    return Column(entry.get("name"), _type(entry), bool(entry.get("required", True)))


def _type(entry: Mapping[str, Any]) -> Type:
    kind = entry.get("type") or entry.get("dtype")
    if kind in SCALARS:
        return str(kind)
    if kind == "array":
        return ArrayType(_type(entry["items"]))
    if kind == "map":
        return MapType(_type(entry["values"]))
    if kind == "object":
        described = entry["properties"].items()
        return ObjectType(tuple(Property(name, _type(one), bool(one.get("required", True))) for name, one in described))
    return AnyType()


def words(type_: Type) -> str:
    """A type in MLflow's words, as in 'Array(double)'."""
    if isinstance(type_, str):
        return type_
    if isinstance(type_, ArrayType):
        return f"Array({words(type_.items)})"
    if isinstance(type_, MapType):
        return f"Map({words(type_.values)})"
    if isinstance(type_, ObjectType):
        return f"Object({', '.join(f'{one.name}: {words(one.type)}' for one in type_.properties)})"
    return "Any"


def _tensor(entry: Mapping[str, Any]) -> TensorSpec:
    described = entry["tensor-spec"]
    dtype = np.dtype(described["dtype"])
    little = dtype if dtype.byteorder == "|" else dtype.newbyteorder("<")
    return TensorSpec(entry.get("name"), little.str, tuple(int(size) for size in described["shape"]))


def _param(entry: Mapping[str, Any]) -> Param:
    shape = entry.get("shape")
    return Param(
        str(entry["name"]),
        _type(entry),
        entry.get("default"),
        tuple(int(size) for size in shape) if shape is not None else None,
    )
