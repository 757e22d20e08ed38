"""gRPC's messages of the protocol ⇄ its requests and answers, which REST shares. Pure; no gRPC here.

Inputs are typed contents or, all of them, raw: little-endian, row-major, BYTES each after its length. The answer
takes the form of the request: typed contents for typed contents, raw for all else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serve.errors import MalformedRequest
from serve.front.grpc import open_inference_pb2 as pb
from serve.front.open_inference import elements, metadata, request
from serve.front.open_inference.answer import Output, outputs
from serve.front.open_inference.datatypes import BASE64, FP16
from serve.front.open_inference.request import CONTENT_TYPE, Request, Wanted
from serve.front.open_inference.tensor import Tensor
from serve.request import InferenceResponse
from serve.rollout import Deployed
from serve.signature.binding import Bound
from serve.signature.spec import Signature

# Where each datatype's elements stand among the typed contents; FP16 and BF16 have no place there.
_CONTENTS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


@dataclass(frozen=True, slots=True)
class MessageReading:
    """A request as it came."""

    message: pb.ModelInferRequest

    @property
    def size(self) -> int:
        return self.message.ByteSize()

    def bind(self, signature: Signature) -> Bound:
        message, raw = self.message, self.message.raw_input_contents
        if raw and len(raw) != len(message.inputs):
            told = f"raw_input_contents has {len(raw)} tensors for {len(message.inputs)} inputs"
            raise MalformedRequest(f"{told}: where one is raw, all must be")
        inputs = [
            _tensor(one, f"inputs[{at}]", memoryview(raw[at]) if raw else None) for at, one in enumerate(message.inputs)
        ]
        if not inputs:
            raise MalformedRequest("inputs: there must be at least one")
        return request.bind(Request(inputs, _parameters(message.parameters), _wanted(message)), signature)


def answer(response: InferenceResponse) -> pb.ModelInferResponse:
    """The answer to a request that was read here."""
    wanted = request.wanted(response.bound)
    message = pb.ModelInferResponse(
        model_name=response.model, model_version=metadata.version(response.lineage), id=wanted.id
    )
    for one in outputs(response.value, response.signature, wanted):
        _add(message, one, raw=wanted.binary)
    return message


def model_metadata(deployed: Deployed) -> pb.ModelMetadataResponse:
    """A live model, as REST tells of it; content types have no place here."""
    told = metadata.model(deployed)
    sides = {side: [_described(one) for one in told[side]] for side in ("inputs", "outputs")}
    return pb.ModelMetadataResponse(**{**told, **sides})


def _described(tensor: Mapping[str, Any]) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"]
    )


def _tensor(one: pb.ModelInferRequest.InferInputTensor, place: str, raw: memoryview | None) -> Tensor:
    parameters = _parameters(one.parameters)
    request.require_supported(parameters, place)
    contents: Any = raw
    if raw is None:
        elements.require_known(one.datatype, place)
        contents = list(getattr(one.contents, _CONTENTS[one.datatype])) if one.datatype != FP16 else []
    elif one.HasField("contents"):
        raise MalformedRequest(f"{place} has contents beside raw_input_contents: send one of them")
    return Tensor(place, one.name, one.datatype, tuple(one.shape), parameters.get(CONTENT_TYPE), contents)


def _wanted(message: pb.ModelInferRequest) -> Wanted:
    for at, one in enumerate(message.outputs):
        request.require_supported(_parameters(one.parameters), f"outputs[{at}]")
    raw = not any(one.HasField("contents") for one in message.inputs)
    return Wanted(message.id, tuple(one.name for one in message.outputs) or None, raw)


def _parameters(parameters: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    return {
        name: getattr(value, chosen) if (chosen := value.WhichOneof("parameter_choice")) else None
        for name, value in parameters.items()
    }


def _add(message: pb.ModelInferResponse, output: Output, *, raw: bool) -> None:
    one = output if raw else output.listed
    tensor = message.outputs.add(name=one.name, datatype=one.datatype, shape=one.array.shape)
    if one.content_type not in (None, BASE64):  # bytes are themselves here
        tensor.parameters[CONTENT_TYPE].string_param = one.content_type
    if raw:
        message.raw_output_contents.append(elements.to_raw(one.array))
    else:
        getattr(tensor.contents, _CONTENTS[one.datatype]).extend(_typed(one.array.reshape(-1).tolist()))


def _typed(items: Sequence[Any]) -> Sequence[Any]:
    """BYTES as bytes; null has no other form there than none."""
    return [item.encode() if isinstance(item, str) else b"" if item is None else item for item in items]
