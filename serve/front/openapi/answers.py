"""A model's answers as schemas: its signature's outputs, in the shape that its golden answer has. Pure.

MLflow holds no model to the outputs of its signature. So the golden answer, which the live model has reproduced,
decides: of the shapes that the outputs may have, the first that it fits is described; where it fits none, any JSON.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from serve.front.openapi import types
from serve.front.openapi.requests import takes_unified
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema, Schemas, array, union
from serve.signature.spec import Column, TensorSpec

_UNKNOWN: Schema = {"description": "Any JSON: what the model answers is not told by its signature."}


def components(subject: Subject) -> Schemas:
    """The model's `…Response`, `…Predictions`, and what they refer to, by name."""
    outputs, golden = subject.signature.outputs, subject.predictions
    shapes = _of_tensors(outputs) if _are_tensors(outputs) else _of_columns(outputs)
    fitting = (shape for shape in shapes if golden is None or fits(golden, shape))
    predictions = next(fitting, _UNKNOWN)
    found = {"Response": _wrapped(subject)}
    if "items" in predictions and "properties" in predictions["items"]:
        found["Prediction"] = {**predictions["items"], "description": "The answer to one row."}
        predictions = {**predictions, "items": subject.ref("Prediction")}
    found["Predictions"] = predictions
    return {subject.title + what: schema for what, schema in found.items()}


def response(subject: Subject) -> Schema:
    """The body of an answer."""
    whole = subject.ref("Response")
    return union([whole, subject.ref("Predictions")]) if takes_unified(subject.signature) else whole


def fits(value: Any, schema: Schema) -> bool:
    """Whether a value has the shape of one of the schemas made here."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    if "type" in schema and not _is(value, schema["type"]):
        return False
    if isinstance(value, list):
        length = schema.get("minItems", len(value))
        return len(value) == length and all(fits(item, schema.get("items", {})) for item in value)
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        whole = all(name in value for name in schema.get("required", ()))
        return whole and all(fits(item, properties.get(name, others)) for name, item in value.items())
    return True


_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def _is(value: Any, types_: str | list[str]) -> bool:
    named = [types_] if isinstance(types_, str) else types_
    whole = type(value) is float and value.is_integer() and "integer" in named
    return whole or any(type(value) in _KINDS[name] for name in named)


def _wrapped(subject: Subject) -> Schema:
    return {
        "type": "object",
        "properties": {"predictions": subject.ref("Predictions")},
        "required": ["predictions"],
        "additionalProperties": False,
    }


def _are_tensors(outputs: Sequence[Column | TensorSpec]) -> bool:
    return any(isinstance(output, TensorSpec) for output in outputs)


def _of_tensors(outputs: Sequence[Column | TensorSpec]) -> Iterator[Schema]:
    """An array by itself, or arrays by name."""
    named = {str(one.name): types.answered_tensor(one) for one in outputs if isinstance(one, TensorSpec)}
    if len(named) == 1:
        yield from named.values()
    yield _object(named, required=list(named))


def _of_columns(outputs: Sequence[Column | TensorSpec]) -> Iterator[Schema]:
    """A frame, a list of values of one column, columns as lists, or one row or value by itself."""
    columns = {
        one.name if one.name is not None else str(at): one for at, one in enumerate(outputs) if isinstance(one, Column)
    }
    if not columns:
        return
    cells = {name: types.answered(one.type, required=one.required) for name, one in columns.items()}
    required = [name for name, one in columns.items() if one.required]
    yield array(_object(cells, required))
    if len(cells) == 1:
        yield from (array(cell) for cell in cells.values())
    yield _object({name: array(cell) for name, cell in cells.items()}, required)
    yield _object(cells, required)
    if len(cells) == 1:
        yield from cells.values()


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required}
