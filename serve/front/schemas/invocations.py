"""MLflow's own dialect: `POST /invocations`, `POST /models/{name}/invocations`, as `mlflow models serve` answers it.

Source: mlflow/pyfunc/scoring_server. The verdict on inputs is MLflow's (see `bind_as_mlflow`); the shape of answers
and refusals is MLflow's too. Mended: a fault of the model is 500, and no refusal repeats the data or a traceback.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from serve.errors import InvalidInputs, MalformedRequest, ServeError, TooDeep, UnsupportedContent
from serve.front import formats, streaming
from serve.front.dialect import Answer, Call
from serve.front.formats.mlflow_json import document
from serve.front.status import retry_after, status, text
from serve.request import InferenceRequest, InferenceResponse
from serve.signature import numbers, payload
from serve.signature.binding import Bound, bind_as_mlflow, bind_document
from serve.signature.spec import Signature

DOCUMENTS = ("text/csv", "application/vnd.apache.parquet")  # which MLflow's pandas reads in the worker

_PERHAPS_HALF = re.compile(rb"\\u[dD]")  # of a surrogate pair, which has no UTF-8 and so no way to the model

# MLflow's words for a status: mlflow/exceptions.py, ERROR_CODE_TO_HTTP_STATUS.
_WORDS = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "RESOURCE_EXHAUSTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True, slots=True)
class MlflowReading:
    """A JSON body, read as MLflow reads it."""

    body: bytes

    @property
    def size(self) -> int:
        return len(self.body)

    def short(self, signature: Signature) -> Bound | None:
        return numbers.read(self.body, signature) if len(self.body) <= numbers.SHORT_BYTES else None

    def bind(self, signature: Signature) -> Bound:
        short = numbers.read(self.body, signature)
        return short or bind_as_mlflow(payload.parse_leniently(_document(self.body), self.body), signature)


@dataclass(frozen=True, slots=True)
class DocumentReading:
    """A body of CSV or Parquet, for MLflow's own pandas in the worker."""

    body: bytes
    kind: str

    @property
    def size(self) -> int:
        return 0  # nothing is read here

    def bind(self, signature: Signature) -> Bound:
        return bind_document(self.body, self.kind, signature)


def _document(body: bytes) -> Any:
    """A body as JSON; with NaN and infinities too, which MLflow's clients write for missing values."""
    try:
        return document(body)
    except TooDeep:
        raise
    except MalformedRequest:
        try:
            found = json.loads(body.decode(), parse_int=_whole)
            if _PERHAPS_HALF.search(body):
                json.dumps(found, ensure_ascii=False).encode()
            return found
        except (ValueError, RecursionError):
            pass
        raise


def _whole(digits: str) -> int | float:
    """An integer of JSON as orjson reads it: a float where it is beyond 64 bits, and none where beyond that."""
    if len(digits) <= 20 and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    if math.isinf(found := float(digits)):
        raise ValueError("beyond every float")
    return found


class Invocations:
    """See `Dialect`."""

    name: ClassVar[str] = "invocations"

    def decode(self, call: Call) -> InferenceRequest:
        name = call.arguments.get("name")
        accept = call.headers.get("accept", "")
        if streaming.asked(accept) is None:
            formats.accepted(accept)  # refused now, before it costs a prediction
        formats.require_unpacked(call.headers.get("content-encoding", ""))
        header = call.headers.get("content-type", "")
        reader, kind = formats.reader(header), header.split(";")[0].strip().lower()
        if kind in DOCUMENTS:
            return InferenceRequest(name, None, DocumentReading(call.body, kind), call.received, None, call.journey)
        reading = MlflowReading(call.body) if kind == formats.JSON else reader(call.body)
        return InferenceRequest(name, None, reading, call.received, None, call.journey)

    def encode(self, call: Call, response: InferenceResponse) -> Answer:
        kind = formats.accepted(call.headers.get("accept", ""))
        return Answer(200, kind, formats.write(kind, response), response.lineage)

    def refuse(self, error: ServeError, request_id: str = "") -> Answer:
        code = status(error)
        told = text(error.message)
        if isinstance(error, UnsupportedContent):
            return Answer(code, "text/plain; charset=utf-8", told.encode())
        code = 400 if code == 422 else code
        body = {"error_code": _WORDS.get(code, "BAD_REQUEST" if code < 500 else "INTERNAL_ERROR"), "message": told}
        if isinstance(error, InvalidInputs):
            body["error_code"] = "INVALID_PARAMETER_VALUE"
            body |= {"error_class": "SCHEMA_ENFORCEMENT_FAILED", "sqlstate": "KAM01"}
        return Answer(code, formats.JSON, orjson.dumps(body), retry_after(error))
