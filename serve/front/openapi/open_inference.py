"""The operations of the Open Inference Protocol v2. Its requests are alike for all models, so examples say the rest.

What a model's own tensors are, its metadata say; that they fit is checked against its signature. Pure.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from serve.child.wire import JSON, Part, Value
from serve.errors import RequestRejected
from serve.front.open_inference import answer, body
from serve.front.open_inference.datatypes import BYTES, FP16, NUMBERS, described
from serve.front.open_inference.request import Wanted
from serve.front.openapi import refusals, requests
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema, Schemas, array, nullable, record, ref
from serve.signature import payload
from serve.signature.binding import bind
from serve.signature.spec import Signature

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_PARAMETERS: Schema = {"type": "object", "description": "Values by name: of the protocol, and the model's own params."}
_SHAPE = array({"type": "integer", "minimum": 0})
_DATATYPE: Schema = {"type": "string", "enum": [*NUMBERS, BYTES]}
_IN_JSON: Schema = {"type": "string", "enum": [one for one in (*NUMBERS, BYTES) if one != FP16]}
_BINARY: Schema = {"type": "string", "format": "binary"}
_TAG = "v2"

SCHEMAS: Schemas = {
    "InferenceRequest": record(
        {"inputs": array(ref("RequestInput"), minItems=1)},
        id=nullable(_TEXT),
        parameters=nullable(_PARAMETERS),
        outputs=nullable(array(ref("RequestOutput"))),
    ),
    "RequestInput": record(
        {"name": _TEXT, "shape": _SHAPE, "datatype": _IN_JSON, "data": array({})}, parameters=nullable(_PARAMETERS)
    ),
    "RequestOutput": record({"name": _TEXT}, parameters=nullable(_PARAMETERS)),
    "InferenceResponse": record(
        {"model_name": _TEXT, "model_version": _TEXT, "outputs": array(ref("ResponseOutput"))}, id=_TEXT
    ),
    "ResponseOutput": record(
        {"name": _TEXT, "shape": _SHAPE, "datatype": _DATATYPE, "data": array({})}, parameters=_PARAMETERS
    ),
    "ServerMetadata": record({"name": _TEXT, "version": _TEXT, "extensions": array(_TEXT)}),
    "ModelMetadata": record(
        {
            "name": _TEXT,
            "versions": array(_TEXT),
            "platform": _TEXT,
            "inputs": array(ref("TensorMetadata")),
            "outputs": array(ref("TensorMetadata")),
        },
        properties={"type": "object", "additionalProperties": _TEXT},
    ),
    "TensorMetadata": record(
        {"name": _TEXT, "datatype": _DATATYPE, "shape": array({"type": "integer"})}, parameters=_PARAMETERS
    ),
    "ServerLive": record({"live": _FLAG}),
    "ServerReady": record({"ready": _FLAG}),
    "ModelReady": record({"name": _TEXT, "ready": _FLAG}),
    "RepositoryModel": record({"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT}),
}


def server() -> Schema:
    return {"get": _operation("v2", "What this server is", {"200": _json("It", ref("ServerMetadata"))})}


def live() -> Schema:
    return {"get": _operation("v2_live", "The server runs", {"200": _json("It does", ref("ServerLive"))})}


def ready() -> Schema:
    told = {"200": _json("They can", ref("ServerReady")), "503": _json("Not all of them can", ref("ServerReady"))}
    return {"get": _operation("v2_ready", "Every live model can answer", told)}


def index() -> Schema:
    told = {"200": _json("The models", array(ref("RepositoryModel")))}
    return {"post": _operation("v2_repository_index", "The models that are live", told)}


def model(subject: Subject) -> Schema:
    told = {"200": _json("What it takes and answers", ref("ModelMetadata"))}
    return _of_model(subject, "model", "get", f"What {subject.name} takes and answers", told)


def model_ready(subject: Subject) -> Schema:
    told = {"200": _json("It can", ref("ModelReady")), "503": _json("It can't", ref("ModelReady"))}
    return _of_model(subject, "ready", "get", f"{subject.name} can answer", told)


def infer(subject: Subject) -> Schema:
    """With the model's own example as tensors."""
    success = _json("The outputs", ref("InferenceResponse")) | {"headers": refusals.LINEAGE}
    success["content"]["application/octet-stream"] = {"schema": _BINARY}
    found = _of_model(subject, "infer", "post", f"Infer with {subject.name}", {"200": success})
    typed: Schema = {"schema": ref("InferenceRequest")}
    example = tensors(subject)
    if example is not None:
        typed["examples"] = {subject.name: {"summary": "The model's own input example", "value": example}}
    # The binary form is told in words: generators of clients make no use of a second body that is bytes alone.
    found["post"]["description"] = "Tensors may also come as raw bytes after the JSON, by the binary tensor extension."
    found["post"]["parameters"] = [requests.TIMEOUT]
    found["post"]["requestBody"] = {"required": True, "content": {"application/json": typed}}
    return found


def versioned(describe: Callable[[Subject], Schema]) -> Callable[[Subject], Schema]:
    """The same operation of a named version."""

    def described_too(subject: Subject) -> Schema:
        ((method, operation),) = describe(subject).items()
        words = operation["operationId"].removeprefix("v2_")
        told = "The beginning of the live model's digest or revision, or all of it."
        schema = {"type": "string", "enum": list(subject.versions)}
        version = {"name": "version", "in": "path", "required": True, "description": told, "schema": schema}
        parameters = [version, *operation.get("parameters", ())]
        return {method: {**operation, "operationId": f"v2_version_{words}", "parameters": parameters}}

    return described_too


def tensors(subject: Subject) -> dict[str, Any] | None:
    """The model's example as a request of the protocol; None where it is no tensors before the model has read it."""
    inputs = subject.signature.columns or subject.signature.tensors
    if subject.example is None or not subject.signature.checked_here:
        return None
    try:
        bound = bind(payload.parse(subject.example[0]), subject.signature)
    except RequestRejected:
        return None
    if bound.value.kind == "request" or len(bound.value.parts) != len(inputs):
        return None
    if any(_elsewhere(part) for part in bound.value.parts):
        return None
    parts = tuple(map(_with_texts, bound.value.parts))
    found = answer.outputs(Value(bound.value.kind, parts), Signature(outputs=inputs), Wanted())
    listed = orjson.loads(body.written(found, Wanted(), subject.name, "")[0])["outputs"]
    names = [one.name for one in described(inputs, "input")]
    return {"inputs": [{**one, "name": name} for one, name in zip(listed, names, strict=True)]}


def _elsewhere(part: Part) -> bool:
    """Whether JSON has no form for an input like this, or one of another shape."""
    return part.dtype == NUMBERS[FP16] or part.dtype[1] in "cm"


def _with_texts(part: Part) -> Part:
    """Strings and bytes of an array as texts, as an answer has them."""
    if part.dtype[1] not in "US":
        return part
    texts = np.frombuffer(part.data, part.dtype).astype(np.str_).tolist()
    return Part(part.name, JSON, part.shape, orjson.dumps(texts))


def _of_model(subject: Subject, what: str, method: str, summary: str, told: Schema) -> Schema:
    responses = {**refusals.of_open_inference(predicts=what == "infer"), **told}
    operation = _operation(f"v2_{what}_{subject.slug}", summary, responses)
    return {method: {**operation, "tags": [subject.name]}}


def _operation(name: str, summary: str, responses: Schema) -> Schema:
    return {"operationId": name, "summary": summary, "tags": [_TAG], "responses": dict(sorted(responses.items()))}


def _json(told: str, schema: Schema) -> Schema:
    return {"description": told, "content": {"application/json": {"schema": schema}}}
