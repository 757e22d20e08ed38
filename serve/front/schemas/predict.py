"""Our own dialect: `POST /predict`, `POST /models/{name}/predict`. Refusals are problem details (RFC 9457)."""

from serve.errors import ServeError
from serve.front import formats
from serve.front.dialect import Answer, Call
from serve.front.status import PROBLEM_TYPE, RETRY_AFTER_SECONDS, problem, status
from serve.inference import InferenceRequest, InferenceResponse


class Predict:
    """See `Dialect`."""

    def decode(self, call: Call) -> InferenceRequest:
        reading = formats.reader(call.headers.get("content-type", ""))(call.body)
        return InferenceRequest(call.arguments.get("name"), None, reading, call.received)

    def encode(self, call: Call, response: InferenceResponse) -> Answer:
        return Answer(200, formats.JSON, formats.WRITERS[formats.JSON](response.value), tuple(response.lineage.items()))

    def refuse(self, error: ServeError) -> Answer:
        code = status(error)
        headers = [("retry-after", RETRY_AFTER_SECONDS[code])] if code in RETRY_AFTER_SECONDS else []
        if code == 405:
            headers.append(("allow", "POST"))
        return Answer(code, PROBLEM_TYPE, problem(error), headers)
