"""The operations that predict: our own `/predict`, and MLflow's `/invocations`. Pure."""

from collections.abc import Iterable
from typing import Any

from serve.front import formats
from serve.front.openapi import answers, refusals, requests
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema
from serve.signature.payload import FORMS

_BINARY: Schema = {"type": "string", "format": "binary"}

_CHUNKS = {
    "text/event-stream": "Chunk by chunk as the model yields them, an event each; then `done`, or `error`.",
    "application/x-ndjson": "Chunk by chunk as the model yields them, a line of JSON each; perhaps an error's at last.",
}


def predict(subject: Subject, *, default: bool) -> Schema:
    """Our own dialect."""
    summary = f"Predict with {subject.name}"
    return _operation("predict", summary, subject, refusals.problems(), default=default)


def invocations(subject: Subject, *, default: bool) -> Schema:
    """MLflow's dialect: it takes what MLflow takes, which is more than is described, and in places less."""
    summary = f"Predict with {subject.name}, as mlflow models serve does"
    return _operation("invocations", summary, subject, refusals.of_mlflow(), default=default)


def _operation(name: str, summary: str, subject: Subject, refused: Schema, *, default: bool) -> Schema:
    request, answer = _example(subject)
    taken = _content(subject.ref("Request"), formats.READERS, request)
    given = _content(answers.response(subject), formats.WRITERS, answer) | _chunks(subject)
    success = {"description": "The predictions", "headers": refusals.LINEAGE, "content": given}
    return {
        "post": {
            "operationId": name if default else f"{name}_{subject.slug}",
            "summary": summary,
            "tags": [subject.name],
            "parameters": [requests.TIMEOUT],
            "requestBody": {"required": True, "content": taken},
            "responses": {"200": success, **refused},
        }
    }


def _content(schema: Schema, kinds: Iterable[str], examples: Schema) -> Schema:
    """The typed JSON with its example, and the other formats, of which a schema can say nothing."""
    typed: Schema = {"schema": schema, **examples}
    return {kind: typed if kind == formats.JSON else {"schema": _BINARY} for kind in kinds}


def _example(subject: Subject) -> tuple[Schema, Schema]:
    """The model's example and its answer, each as `examples` of what is sent."""
    if subject.example is None:
        return {}, {}
    request, predictions = subject.example
    wrapped = {"predictions": predictions} if any(form in request for form in FORMS) else predictions
    return _shown(subject, "The model's own input example", request), _shown(subject, "Its answer", wrapped)


def _shown(subject: Subject, summary: str, value: Any) -> Schema:
    return {"examples": {subject.name: {"summary": summary, "value": value}}}


def _chunks(subject: Subject) -> Schema:
    told = _CHUNKS.items() if subject.streams else ()
    return {kind: {"schema": {"type": "string", "description": description}} for kind, description in told}
