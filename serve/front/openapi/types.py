"""MLflow's types as JSON Schema: what a value may be in a request, and what it is in an answer. Pure.

What a schema here allows is what `serve.signature` takes, as far as JSON Schema can say it: it knows no lists of
equal lengths, no 29th of February, and no list of numbers one of which must have a fraction.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serve.signature.spec import ArrayType, Column, MapType, ObjectType, Param, TensorSpec, Type

Schema = dict[str, Any]
Schemas = Mapping[str, Schema]  # by name

_YEAR = r"(167[89]|16[89]\d|1[7-9]\d\d|2[01]\d\d|22[0-5]\d|226[01])"  # what nanoseconds in 64 bits reach
_DAY = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|[12]\d))"
_TIME = r"([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d{0,DIGITS})?)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?"
_DATE = f"^{_YEAR}-{_DAY}([T ]{_TIME})?$"
_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_SCALARS: Mapping[str, Schema] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float": {"type": "number", "format": "float", "minimum": -3.4028234663852886e38, "maximum": 3.4028234663852886e38},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64, "description": "base64"},
    "datetime": {
        "type": "string",
        "pattern": _DATE.replace("DIGITS", "18"),
        "description": "a date or time as in ISO 8601: 2024-05-31T12:00:00",
    },
}
_NULL_IS_NAN = ("float", "double", "string")  # columns whose null is a missing value, even where they are required
_NULL_IN_LIST = ("string", "binary", "datetime")  # null among numbers is for MLflow to judge, which looks at them all
_KINDS = {"b": "boolean", "M": "datetime", "U": "string", "S": "string"}


_WHOLE: Schema = {"type": ["integer", "null"], "format": "int64", "minimum": -(2**63), "maximum": 2**64 - 1}
_PARAMS: Mapping[str, Schema] = {  # which MLflow holds to their kinds, and to no size
    "integer": _WHOLE,
    "long": _WHOLE,
    "float": {"type": ["number", "null"]},
    "double": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "string": {"type": ["string", "null"]},
    "datetime": {**_SCALARS["datetime"], "type": ["string", "null"], "pattern": _DATE.replace("DIGITS", "6")},
}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*dict.fromkeys([*types, "null"])]}


def ref(name: str) -> Schema:
    """A reference to a schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(always: Schemas, /, **perhaps: Schema) -> Schema:
    """An object with these keys, and perhaps more."""
    return {"type": "object", "properties": {**always, **perhaps}, "required": list(always)}


def array(items: Schema, **bounds: int) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **bounds}


def union(schemas: Sequence[Schema]) -> Schema:
    """Any of these."""
    different = [one for at, one in enumerate(schemas) if one not in schemas[:at]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def cell(column: Column) -> Schema:
    """One value of a column."""
    if not isinstance(column.type, str):
        return nested(column.type, required=column.required)
    missing = column.type in _NULL_IS_NAN or (not column.required and column.type not in ("integer", "long"))
    return nullable(_SCALARS[column.type]) if missing else _SCALARS[column.type]


def nested(type_: Type, *, required: bool = True, strict: bool = True) -> Schema:
    """A value within a column of a nested type, or of an object among the params.

    Where it is not `strict`, objects may have other keys than those named.
    """
    if isinstance(type_, str):
        found = _SCALARS[type_]
    elif isinstance(type_, ArrayType):
        found = array(_item(type_.items, required, strict))
    elif isinstance(type_, MapType):
        found = {"type": "object", "additionalProperties": nested(type_.values, required=required, strict=strict)}
    elif isinstance(type_, ObjectType):
        found = _object(type_, strict)
    else:
        return {}
    return found if required else nullable(found)


def _item(type_: Type, required: bool, strict: bool) -> Schema:
    if isinstance(type_, str):
        return nullable(_SCALARS[type_]) if type_ in _NULL_IN_LIST else _SCALARS[type_]
    return nested(type_, required=required, strict=strict)


def _object(type_: ObjectType, strict: bool) -> Schema:
    properties = {one.name: nested(one.type, required=one.required, strict=strict) for one in type_.properties}
    named = [one.name for one in type_.properties if one.required]
    return {"type": "object", "properties": properties, "required": named, "additionalProperties": not strict}


def param(declared: Param) -> Schema:
    """One inference param with its default; null is none, whatever the type. There is no binary in JSON for MLflow."""
    if isinstance(declared.type, ObjectType) and declared.shape is None:
        found = nested(declared.type)
    else:
        found = _PARAMS.get(declared.type, {"type": "null"}) if isinstance(declared.type, str) else {"type": "null"}
    if declared.shape is not None:
        found = array(found)
    return {**found, "default": declared.told}


def tensor(spec: TensorSpec, axis: int = 0) -> Schema:
    """A tensor, from `axis` on, as lists in lists. An axis of any length holds something wherever more axes follow."""
    if spec.dtype == "|O":
        return union([_lists(spec.shape[axis:], one, axis == 0) for one in _OBJECTS])
    return _lists(spec.shape[axis:], _element(np.dtype(spec.dtype)), axis == 0)


_OBJECTS: Sequence[Schema] = ({"type": "string"}, {"type": ["number", "boolean"]})  # never both in one tensor


def _lists(shape: Sequence[int], element: Schema, first: bool) -> Schema:
    if not shape:
        return element
    length, *inner = shape
    least = 1 if first or inner else 0
    bounds = {"minItems": length, "maxItems": length} if length >= 0 else {"minItems": least} if least else {}
    return array(_lists(inner, element, False), **bounds)


def _element(dtype: np.dtype[Any]) -> Schema:
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return {"type": "integer", "format": dtype.name, "minimum": int(info.min), "maximum": int(info.max)}
    if dtype.kind in "fc":
        return nullable(_float(dtype))
    return _SCALARS[_KINDS[dtype.kind]] if dtype.kind in _KINDS else {}


def _float(dtype: np.dtype[Any]) -> Schema:
    size = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    if size >= 8:
        return _SCALARS["double"]
    most = float(np.finfo(f"f{size}").max)
    return {"type": "number", "format": "float", "minimum": -most, "maximum": most}


def answered(type_: Type, *, required: bool = True) -> Schema:
    """A value in an answer: NaN comes as null, and an object may hold more than its signature says."""
    if isinstance(type_, ArrayType):
        return nullable(array(answered(type_.items)))
    if isinstance(type_, MapType):
        return nullable({"type": "object", "additionalProperties": answered(type_.values)})
    if isinstance(type_, ObjectType):
        properties = {one.name: answered(one.type, required=one.required) for one in type_.properties}
        named = [one.name for one in type_.properties if one.required]
        return nullable({"type": "object", "properties": properties, "required": named})
    if not isinstance(type_, str):
        return {}
    described = _described(_SCALARS[type_])
    return described if required and type_ in ("boolean", "integer", "long") else nullable(described)


def answered_tensor(spec: TensorSpec) -> Schema:
    """A tensor in an answer."""
    dtype = np.dtype(spec.dtype)
    element = {} if dtype.kind == "O" else _described(_element(dtype))
    element = nullable(element) if dtype.kind in "MU" else element
    return _any_length(spec.shape, element)


def _any_length(shape: Sequence[int], element: Schema) -> Schema:
    if not shape:
        return element
    bounds = {"minItems": shape[0], "maxItems": shape[0]} if shape[0] >= 0 else {}
    return array(_any_length(shape[1:], element), **bounds)


def _described(schema: Schema) -> Schema:
    """A type without the bounds of what is taken, which an answer need not be held to."""
    return {key: told for key, told in schema.items() if key not in ("minimum", "maximum", "pattern")}
