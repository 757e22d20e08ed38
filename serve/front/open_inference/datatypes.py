"""The protocol's datatypes against numpy's dtypes and MLflow's types: what a signature looks like in v2. Pure.

What has no datatype of its own travels in one that has, and `content_type` says what it is: text, base64, dates and
JSON in BYTES; into a model, a complex number is two floats along one more axis, a time difference INT64 of its unit.
Source of the names: kserve/open-inference-protocol, and MLServer's mlflow runtime for MLflow's types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serve.signature.spec import Column, TensorSpec

BYTES = "BYTES"
BF16 = "BF16"  # Triton's; numpy has no such dtype
FP16 = "FP16"  # has no form in JSON and none among gRPC's typed contents: there it is sent as FP32

NUMBERS: Mapping[str, str] = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
OF_DTYPE: Mapping[str, str] = {dtype: datatype for datatype, dtype in NUMBERS.items()}

STR, BASE64, DATETIME, JSON, COMPLEX, TIMEDELTA = "str", "base64", "datetime", "json", "complex", "timedelta"
IN_BYTES = (STR, BASE64, DATETIME, JSON)

_SCALARS: Mapping[str, tuple[str, str | None]] = {
    "boolean": ("BOOL", None),
    "integer": ("INT32", None),
    "long": ("INT64", None),
    "float": ("FP32", None),
    "double": ("FP64", None),
    "string": (BYTES, STR),
    "binary": (BYTES, BASE64),
    "datetime": (BYTES, DATETIME),
}
_ANY = -1


@dataclass(frozen=True, slots=True)
class Described:
    """One input or output of a signature as the protocol describes it; `field` is MLflow's own description."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    content_type: str | None
    field: Column | TensorSpec


def described(fields: Sequence[Column | TensorSpec], word: str) -> tuple[Described, ...]:
    """The fields in their order; one without a name is called by `word`, as in 'input-0'."""
    return tuple(_described(field, field.name or f"{word}-{at}") for at, field in enumerate(fields))


def _described(field: Column | TensorSpec, name: str) -> Described:
    if isinstance(field, Column):
        datatype, content_type = _SCALARS[field.type] if isinstance(field.type, str) else (BYTES, JSON)
        return Described(name, datatype, (_ANY, 1), content_type, field)
    datatype, content_type = _of_dtype(np.dtype(field.dtype))
    shape = (*field.shape, 2) if content_type == COMPLEX else field.shape
    return Described(name, datatype, shape, content_type, field)


def _of_dtype(dtype: np.dtype[Any]) -> tuple[str, str | None]:
    if dtype.str in OF_DTYPE:
        return OF_DTYPE[dtype.str], None
    if dtype.kind == "c":
        return ("FP32" if dtype.itemsize == 8 else "FP64"), COMPLEX
    if dtype.kind == "f":
        return "FP64", None
    if dtype.kind == "m":
        return "INT64", TIMEDELTA
    return BYTES, DATETIME if dtype.kind == "M" else STR
