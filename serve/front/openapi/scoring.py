"""The operations that predict: our own `/predict`, and MLflow's `/invocations`. Pure."""

from collections.abc import Iterable
from typing import Any

from serve.front import formats
from serve.front.openapi import answers, refusals
from serve.front.openapi.subject import Subject
from serve.front.openapi.types import Schema

_BINARY: Schema = {"type": "string", "format": "binary"}

_CHUNKS = {
    "text/event-stream": "Chunk by chunk as the model yields them, an event each; then `done`, or `error`.",
    "application/x-ndjson": "Chunk by chunk as the model yields them, a line of JSON each; perhaps an error's at last.",
}


def predict(subject: Subject, *, default: bool) -> Schema:
    """Our own dialect."""
    operation = "predict" if default else f"predict_{subject.slug}"
    content = _content(subject.ref("Request"), formats.READERS, subject.example[0] if subject.example else None)
    answer = _content(answers.response(subject), formats.WRITERS, _example_answer(subject)) | _chunks(subject)
    return _post(operation, f"Predict with {subject.name}", subject, content, answer, refusals.problems())


def invocations(subject: Subject, *, default: bool) -> Schema:
    """MLflow's dialect: it takes what MLflow takes, which is more than is described, and in places less."""
    operation = "invocations" if default else f"invocations_{subject.slug}"
    content = _content(subject.ref("Request"), formats.READERS, subject.example[0] if subject.example else None)
    answer = _content(answers.response(subject), formats.WRITERS, _example_answer(subject)) | _chunks(subject)
    told = f"Predict with {subject.name}, as mlflow models serve does"
    return _post(operation, told, subject, content, answer, refusals.of_mlflow())


def _post(operation: str, summary: str, subject: Subject, content: Schema, answer: Schema, refused: Schema) -> Schema:
    success = {"description": "The predictions", "headers": refusals.LINEAGE, "content": answer}
    return {
        "post": {
            "operationId": operation,
            "summary": summary,
            "tags": [subject.name],
            "requestBody": {"required": True, "content": content},
            "responses": {"200": success, **refused},
        }
    }


def _content(schema: Schema, kinds: Iterable[str], example: Any) -> Schema:
    """The typed JSON with its example, and the other formats, of which a schema can say nothing."""
    typed: Schema = {"schema": schema}
    if example is not None:
        typed["examples"] = {"golden": {"summary": "The model's own input example", "value": example}}
    return {kind: typed if kind == formats.JSON else {"schema": _BINARY} for kind in kinds}


def _chunks(subject: Subject) -> Schema:
    told = _CHUNKS.items() if subject.streams else ()
    return {kind: {"schema": {"type": "string", "description": description}} for kind, description in told}


def _example_answer(subject: Subject) -> Any:
    return {"predictions": subject.example[1]} if subject.example else None
