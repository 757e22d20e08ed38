"""Our own dialect: `POST /predict`, `POST /models/{name}/predict`. Refusals are problem details (RFC 9457)."""

from typing import ClassVar

from serve.errors import ServeError
from serve.front import formats, streaming
from serve.front.dialect import Answer, Call
from serve.front.status import PROBLEM_TYPE, problem, retry_after, status
from serve.request import InferenceRequest, InferenceResponse


class Predict:
    """See `Dialect`."""

    name: ClassVar[str] = "predict"

    def decode(self, call: Call) -> InferenceRequest:
        accept = call.headers.get("accept", "")
        if streaming.asked(accept) is None:
            formats.accepted(accept)  # refused now, before it costs a prediction
        formats.require_unpacked(call.headers.get("content-encoding", ""))
        reading = formats.reader(call.headers.get("content-type", ""))(call.body)
        return InferenceRequest(call.arguments.get("name"), None, reading, call.received, None, call.journey)

    def encode(self, call: Call, response: InferenceResponse) -> Answer:
        kind = formats.accepted(call.headers.get("accept", ""))
        return Answer(200, kind, formats.write(kind, response), response.lineage)

    def refuse(self, error: ServeError, request_id: str = "") -> Answer:
        answer = refused(error, request_id)
        return answer._replace(headers=(*answer.headers, ("allow", "POST"))) if answer.status == 405 else answer


def refused(error: ServeError, request_id: str = "") -> Answer:
    """The answer in place of any other, on all routes of ours, and where no route is known."""
    return Answer(status(error), PROBLEM_TYPE, problem(error, request_id), retry_after(error))
