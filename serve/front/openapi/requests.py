"""The JSON bodies that a model takes, as schemas: one for each of MLflow's forms, and the union of them; and the header
that every prediction may have. Pure.

What is read is told by `serve.signature`: `table` for columns, `tensors` for tensors, `binding` for the rest.
"""

from collections.abc import Mapping

from serve.front.openapi import columns, tensors, types
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema, Schemas, array, nullable, union
from serve.signature.payload import UNIFIED_KEYS
from serve.signature.spec import Signature

WORDS = {
    "inputs": "Inputs",
    "instances": "Instances",
    "dataframe_split": "DataframeSplit",
    "dataframe_records": "DataframeRecords",
}
TIMEOUT: Schema = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "How many seconds the caller waits; there is no waiting for longer than the server allows.",
    "schema": {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$", "not": {"pattern": r"^[0.]*$"}},
    "example": "1.5",
}
_ANYTHING: Schema = {"description": "Any JSON: the model has no signature, and says itself what it can't use."}
_TYPED = "Python values of the model's own types, which it checks itself."
_UNIFIED = "A body as chat, completion and embedding clients send it, answered without `predictions` around it."


def components(subject: Subject) -> Schemas:
    """The model's `…Request` and all that it refers to, by name."""
    signature = subject.signature
    forms, parts = _forms(subject)
    bodies = {f"{WORDS[form]}Request": _body(subject, form, schema) for form, schema in forms.items()}
    if takes_unified(signature):
        bodies["UnifiedRequest"] = _unified(signature)
    if signature.params:
        parts = {**parts, "Params": _params(signature)}
    told = f"What {subject.name} takes, in one of the forms that MLflow knows."
    whole = {"description": told, "oneOf": [subject.ref(body) for body in bodies]}
    return {subject.title + what: schema for what, schema in {"Request": whole, **bodies, **parts}.items()}


def takes_unified(signature: Signature) -> bool:
    """Whether the body of a chat, completion or embedding client is for this model."""
    return any(column.name in UNIFIED_KEYS for column in signature.columns)


def _forms(subject: Subject) -> tuple[Mapping[str, Schema], Schemas]:
    """The schema of each form's data, and the schemas that those refer to."""
    signature = subject.signature
    if signature.type_hint:
        return {"inputs": {**array(_hinted(signature), minItems=1), "description": _TYPED}}, {}
    if signature.tensors:
        return tensors.forms(subject), {}
    if signature.columns:
        return columns.forms(subject), columns.parts(subject)
    return dict.fromkeys(WORDS, _ANYTHING), {}


def _hinted(signature: Signature) -> Schema:
    return union([types.nested(column.type, strict=False) for column in signature.columns])


def _body(subject: Subject, form: str, schema: Schema) -> Schema:
    properties: Schema = {form: schema}
    if subject.signature.params:
        properties["params"] = nullable(subject.ref("Params"))
    return {"type": "object", "properties": properties, "required": [form], "additionalProperties": False}


def _params(signature: Signature) -> Schema:
    return {
        "type": "object",
        "description": "The model's params; one that is left out has its default.",
        "properties": {param.name: types.param(param) for param in signature.params},
        "additionalProperties": False,
    }


def _unified(signature: Signature) -> Schema:
    """The columns of one row as the body itself, and the params among them."""
    row = columns.row(signature.columns)
    params = {param.name: types.param(param) for param in signature.params}
    return {**row, "description": _UNIFIED, "properties": {**row["properties"], **params}}
