"""An MLflow signature as data, read from the JSON that MLflow writes into `MLmodel`.

Source of the format: mlflow/types/schema.py (`Schema.to_dict`, `ParamSchema.to_dict`). A type this server does
not check itself (Array, Object, Map, Any) is kept as its JSON and left to MLflow's own check in the worker.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
class Column:
    """One column: `type` is a key of `SCALARS`, or MLflow's JSON word for a nested type ('array', 'object', …)."""

    name: str | None
    type: str
    required: bool

    @property
    def scalar(self) -> bool:
        return self.type in SCALARS


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
    type: str
    default: Any
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """What goes in, what comes out. `columns` or `tensors` is empty; both are where there is no signature."""

    columns: tuple[Column, ...] = ()
    tensors: tuple[TensorSpec, ...] = ()
    outputs: tuple[Column | TensorSpec, ...] = ()
    params: tuple[Param, ...] = ()
    type_hint: bool = False

    @property
    def checked_here(self) -> bool:
        """Whether every input is of a type that this server checks, casts and batches itself."""
        scalars = all(column.scalar for column in self.columns)
        return not self.type_hint and bool(self.tensors or (self.columns and scalars))


def parse(recorded: Mapping[str, Any] | None) -> Signature:
    """The signature in an MLmodel's `signature:` entry; an empty one where there is none.

    Raises ValueError, KeyError, TypeError or AttributeError where it is not what MLflow writes.
    """
    if not recorded:
        return Signature()
    columns, tensors = _schema(recorded.get("inputs"))
    out_columns, out_tensors = _schema(recorded.get("outputs"))
    params = json.loads(recorded["params"]) if recorded.get("params") else []
    return Signature(
        columns,
        tensors,
        out_columns or out_tensors,
        tuple(_param(entry) for entry in params),
        bool(recorded.get("is_signature_from_type_hint")),
    )


def _schema(text: str | None) -> tuple[tuple[Column, ...], tuple[TensorSpec, ...]]:
    entries = json.loads(text) if text else []
    tensors = tuple(_tensor(entry) for entry in entries if entry["type"] == "tensor")
    columns = tuple(_column(entry) for entry in entries if entry["type"] != "tensor")
    return columns, tensors


def _column(entry: Mapping[str, Any]) -> Column:
    return Column(entry.get("name"), str(entry["type"]), bool(entry.get("required", True)))


def _tensor(entry: Mapping[str, Any]) -> TensorSpec:
    described = entry["tensor-spec"]
    dtype = np.dtype(described["dtype"])
    little = dtype if dtype.byteorder == "|" else dtype.newbyteorder("<")
    return TensorSpec(entry.get("name"), little.str, tuple(int(size) for size in described["shape"]))


def _param(entry: Mapping[str, Any]) -> Param:
    shape = entry.get("shape")
    return Param(
        str(entry["name"]),
        str(entry.get("type") or entry.get("dtype")),
        entry.get("default"),
        tuple(int(size) for size in shape) if shape is not None else None,
    )
