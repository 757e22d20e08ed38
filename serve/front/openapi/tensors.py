"""The forms of data that a signature of tensors takes, as schemas; see `serve.signature.tensors`. Pure."""

from collections.abc import Mapping, Sequence

from serve.front.openapi import types
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema, array, union
from serve.signature.spec import TensorSpec


def forms(subject: Subject) -> Mapping[str, Schema]:
    """The schema of each form's data."""
    specs = subject.signature.tensors
    return _named(specs) if subject.signature.named else _unnamed(specs[0])


def _named(specs: Sequence[TensorSpec]) -> Mapping[str, Schema]:
    """`inputs` come tensor by tensor, the other forms row by row; a single tensor may come by itself."""
    alone = [types.tensor(specs[0])] if len(specs) == 1 else []
    whole = _object({str(spec.name): types.tensor(spec) for spec in specs})
    found = {"inputs": union([whole, *alone])}
    if all(spec.shape for spec in specs):
        rows = array(_object({str(spec.name): types.tensor(spec, axis=1) for spec in specs}), **_count(specs))
        names = [str(spec.name) for spec in specs]
        cells = union([types.tensor(spec, axis=1) for spec in specs])
        found |= {
            "instances": union([rows, *alone]),
            "dataframe_split": _split(array(cells, minItems=len(specs), maxItems=len(specs)), _count(specs), names),
            "dataframe_records": rows,
        }
    return found


def _unnamed(spec: TensorSpec) -> Mapping[str, Schema]:
    """The tensor itself; where it has rows and columns, a frame too, whose columns may have any names."""
    whole = types.tensor(spec)
    found: dict[str, Schema] = {"inputs": whole, "instances": whole}
    if spec.shape:
        found["dataframe_split"] = _split(types.tensor(spec, axis=1), _count([spec]))
    if len(spec.shape) > 1:
        cell, length = types.tensor(spec, axis=2), spec.shape[1]
        least = length if length >= 0 else len(spec.shape) > 2
        bounds = {"minProperties": int(least)} | ({"maxProperties": length} if length >= 0 else {})
        row = {"type": "object", "additionalProperties": cell, **bounds}
        found["dataframe_records"] = array(row, **_count([spec]))
    return found


def _object(tensors: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": dict(tensors),
        "required": list(tensors),
        "additionalProperties": False,
    }


def _count(specs: Sequence[TensorSpec]) -> dict[str, int]:
    """How many rows there may be."""
    fixed = [spec.shape[0] for spec in specs if spec.shape[0] >= 0]
    return {"minItems": max(fixed), "maxItems": min(fixed)} if fixed else {"minItems": 1}


def _split(row: Schema, count: Mapping[str, int], names: Sequence[str] = ()) -> Schema:
    """A frame as pandas splits it, each of whose columns is a tensor, or part of one."""
    properties: Schema = {"data": array(row, **count)}
    if names:
        all_of_them = array({"type": "string", "enum": list(names)}, minItems=len(names), maxItems=len(names))
        properties["columns"] = all_of_them | {"uniqueItems": True}
    required = ["columns", "data"] if names else ["data"]
    return {"type": "object", "properties": properties, "required": required}
