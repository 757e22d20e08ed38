"""MLflow's JSON: `inputs`, `instances`, `dataframe_split`, `dataframe_records`, `params` → `predictions`."""

import orjson

from serve.errors import MalformedRequest
from serve.inference import InferenceRequest, InferenceResponse
from serve.signature import payload
from serve.signature.predictions import to_json

CONTENT_TYPE = "application/json"


def decode(body: bytes, model: str | None, received: float) -> InferenceRequest:
    """The request in a body, or `MalformedRequest`, which says where the JSON breaks and never repeats it."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}" if body else "the start"
        told = error.msg if body else "the body is empty"
        raise MalformedRequest(f"the body is not JSON: {told} at {place}") from None
    return InferenceRequest(model, payload.parse(document), received)


def encode(response: InferenceResponse) -> bytes:
    """The response's body."""
    return to_json(response.value)
