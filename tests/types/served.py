"""A kind's model behind the front's own dialects, without a server: the wire and the child's code, in this process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel

from serve.child import wire
from serve.errors import RequestRejected
from serve.front.dialect import Call
from serve.front.grpc import messages
from serve.front.grpc import open_inference_pb2 as pb
from serve.front.schemas.invocations import Invocations
from serve.front.schemas.open_inference import OpenInference
from serve.front.schemas.predict import Predict
from serve.request import InferenceResponse
from serve.signature.binding import Bound
from serve.signature.spec import parse
from tests.differential import oracle, pinion
from tests.types.kinds import Kind

_DIALECTS = {"/predict": Predict(), "/invocations": Invocations(), "/v2": OpenInference(1_000_000)}
_LINEAGE = (("x-model-digest", "sha256:" + "0" * 64),)
_PARAMS = {"count": ("long", 1), "share": ("double", 1.0), "word": ("string", ""), "sure": ("boolean", False)}
PARAMS = [
    {"name": name, "type": type_, "default": default, "shape": None} for name, (type_, default) in _PARAMS.items()
]
PARAMS.append({"name": "stops", "type": "string", "default": ["."], "shape": [-1]})
DEFAULTS = {one["name"]: one["default"] for one in PARAMS}


class Echo:
    """Answers what it is given, and keeps it."""

    def __init__(self) -> None:
        self.given: Any = None
        self.params: Mapping[str, Any] = {}

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        self.given, self.params = model_input, params or {}
        return model_input


class Refused(Exception):
    """In one sentence."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the model was given for a body, and what the caller was answered."""

    given: Any
    params: Mapping[str, Any]
    body: bytes
    headers: Mapping[str, str]


def ask(kind: Kind, path: str, headers: Mapping[str, str], body: bytes) -> Served:
    """The answer to a body, or `Refused`; over gRPC where the content type is that."""
    recorded = {"signature": {"inputs": json.dumps(kind.inputs), "outputs": json.dumps(kind.inputs)}}
    if kind.params:
        recorded["signature"]["params"] = json.dumps(PARAMS)
    known, echo = parse(recorded["signature"]), Echo()
    call = Call(path, headers, {"name": "echo"}, body, 0.0)
    grpc = headers["content-type"] == "application/grpc"
    try:
        if grpc:
            bound: Bound = messages.MessageReading(pb.ModelInferRequest.FromString(body)).bind(known)
        else:
            bound = _DIALECTS[path].decode(call).reading.bind(known)
    except RequestRejected as error:
        raise Refused(error.message) from None
    response = InferenceResponse("echo", _predicted(recorded, echo, bound), bound, known, _LINEAGE)
    if grpc:
        return Served(echo.given, echo.params, messages.answer(response).SerializeToString(), {})
    answer = _DIALECTS[path].encode(call, response)
    return Served(echo.given, echo.params, answer.body, dict(answer.headers))


def _predicted(recorded: Mapping[str, Any], echo: Echo, bound: Bound) -> wire.Value:
    model = PyFuncModel(Model.from_dict({**recorded, "flavors": {}}), echo)
    asked = pinion.unframed(pinion.framed(wire.Predict((bound.value,), dict(bound.params))))
    with oracle.serving():
        answers = pinion.child.Model(model).predict(asked.values, asked.params)
    (answer,) = pinion.unframed(pinion.framed(answers)).answers
    if isinstance(answer, wire.Fault):
        assert answer.whose == "caller", answer
        raise Refused(answer.message)
    assert isinstance(answer, wire.Value)
    return answer
