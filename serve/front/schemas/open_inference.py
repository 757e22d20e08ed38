"""The Open Inference Protocol v2 over HTTP: `POST /v2/models/{name}[/versions/{version}]/infer`.

JSON or binary, by the header Inference-Header-Content-Length; the Content-Type is not looked at, for the protocol
gives it no meaning and its clients send any. Refusals are `{"error": "…"}`, and what does not fit is 400.
"""

from typing import ClassVar

import orjson

from serve.errors import MalformedRequest, ServeError
from serve.front.dialect import JSON_LENGTH, Answer, Call
from serve.front.open_inference import metadata
from serve.front.open_inference.answer import outputs
from serve.front.open_inference.body import BodyReading, written
from serve.front.open_inference.request import wanted
from serve.front.status import in_one, retry_after, status
from serve.request import InferenceRequest, InferenceResponse

JSON, BINARY = "application/json", "application/octet-stream"


class OpenInference:
    """See `Dialect`. A compressed body may have `max_body_bytes` when it is unpacked."""

    name: ClassVar[str] = "open_inference"

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes

    def decode(self, call: Call) -> InferenceRequest:
        encoding = call.headers.get("content-encoding", "").strip().lower()
        reading = BodyReading(
            call.body,
            _json_length(call.headers.get(JSON_LENGTH)),
            "" if encoding == "identity" else encoding,
            self._max_body_bytes,
        )
        name, version = call.arguments.get("name"), call.arguments.get("version")
        return InferenceRequest(name, version, reading, call.received, None, call.journey)

    def encode(self, call: Call, response: InferenceResponse) -> Answer:
        asked = wanted(response.bound)
        tensors = outputs(response.value, response.signature, asked)
        body, json_length = written(tensors, asked, response.model, metadata.version(response.lineage))
        if json_length is None:
            return Answer(200, JSON, body, response.lineage)
        return Answer(200, BINARY, body, ((JSON_LENGTH, str(json_length)), *response.lineage))

    def refuse(self, error: ServeError, request_id: str = "") -> Answer:
        return refused(error)


def refused(error: ServeError, _: str = "") -> Answer:
    """The answer in place of any other, on all routes of the protocol, in whose shape an id has no place."""
    code = 400 if status(error) == 422 else status(error)
    allow = (("allow", "POST"),) if code == 405 else ()
    return Answer(code, JSON, orjson.dumps({"error": in_one(error)}), (*retry_after(error), *allow))


def _json_length(header: str | None) -> int | None:
    if header is None:
        return None
    if not (header.isascii() and header.isdecimal() and len(header) < 20):
        raise MalformedRequest("the header Inference-Header-Content-Length must be a whole number of bytes")
    return int(header)
