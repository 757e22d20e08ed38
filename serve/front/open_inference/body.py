"""The REST form: a body ⇄ a request or an answer of the protocol, with the binary tensor extension. Pure.

A body is JSON, and after it the raw tensors in the order in which the JSON names them; how long the JSON is says the
header Inference-Header-Content-Length, without which all of the body is JSON, and with 0 none of it.
Source: kserve/open-inference-protocol (inference_rest.md), Triton's extension_binary_data.md.
"""

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serve.errors import MalformedRequest, PayloadTooLarge, UnsupportedContent
from serve.front.formats.mlflow_json import document
from serve.front.open_inference import elements, request
from serve.front.open_inference.answer import Output
from serve.front.open_inference.datatypes import BASE64, BYTES, NUMBERS, described
from serve.front.open_inference.request import BINARY_OUTPUT, CONTENT_TYPE, Request, Wanted
from serve.front.open_inference.tensor import Tensor
from serve.signature.binding import Bound
from serve.signature.spec import Signature

_MOST_UNPACKED = 1032  # bytes that deflate makes of one, at most
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # either, by what it begins with

# pydantic's kinds of errors where its own sentences would not do.
_TOLD = {
    "missing": "it is missing",
    "model_type": "it must be a JSON object",
    "dict_type": "it must be a JSON object",
    "too_short": "there must be at least one",
}

Parameters = dict[str, Any]


class _Piece(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class RequestInput(_Piece):
    """An input tensor; its data may follow the JSON, in binary form."""

    name: str
    shape: list[Annotated[int, Field(ge=0)]]
    datatype: str
    parameters: Parameters | None = None
    data: Any = None


class RequestOutput(_Piece):
    """An output that is asked for."""

    name: str
    parameters: Parameters | None = None


class InferenceBody(_Piece):
    """The JSON of a request."""

    id: str | None = None
    parameters: Parameters | None = None
    inputs: Annotated[list[RequestInput], Field(min_length=1)]
    outputs: list[RequestOutput] | None = None


@dataclass(frozen=True, slots=True)
class BodyReading:
    """A body as it came. `json_length` is what its header says; unpacked it may have `max_bytes`."""

    body: bytes
    json_length: int | None
    encoding: str
    max_bytes: int

    @property
    def size(self) -> int:
        return min(self.max_bytes, len(self.body) * _MOST_UNPACKED) if self.encoding else len(self.body)

    def bind(self, signature: Signature) -> Bound:
        body = memoryview(_unpacked(self.body, self.encoding, self.max_bytes))
        if self.json_length == 0:
            return request.bind(_raw(body, signature), signature)
        if self.json_length is not None and self.json_length > len(body):
            told = f"Inference-Header-Content-Length is {self.json_length}, and the body has {len(body)} bytes"
            raise MalformedRequest(told)
        length = len(body) if self.json_length is None else self.json_length
        return request.bind(_request(_parsed(bytes(body[:length])), body[length:]), signature)


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its Content-Encoding; `PayloadTooLarge` where that would be over the limit."""
    if not encoding:
        return body
    if encoding not in ("gzip", "deflate"):
        raise UnsupportedContent("the Content-Encoding must be gzip, deflate, or none")
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        unpacked = unpacker.decompress(body, max_bytes + 1)
    except zlib.error:
        raise MalformedRequest(f"the body is not {encoding}, as its Content-Encoding says") from None
    if len(unpacked) > max_bytes:
        raise PayloadTooLarge(f"the body, unpacked, is over the limit of {max_bytes} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedRequest(f"the body is not one whole {encoding} stream")
    return unpacked


def _parsed(text: bytes) -> InferenceBody:
    """The JSON of a body, of the right outer shape."""
    try:
        return InferenceBody.model_validate(document(text))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise MalformedRequest(f"{_path(first['loc'])}: {_told(first)}") from None


def _path(places: Sequence[int | str]) -> str:
    path = "".join(f"[{place}]" if isinstance(place, int) else f".{place[:80]}" for place in places)
    return path.removeprefix(".") or "the body"


def _told(error: Mapping[str, Any]) -> str:
    return _TOLD.get(error["type"]) or str(error["msg"]).replace("Input", "it", 1)


def _request(body: InferenceBody, binary: memoryview) -> Request:
    """The request, whose tensors without data are the next ones in `binary`."""
    inputs = []
    for at, one in enumerate(body.inputs):
        place, parameters = f"inputs[{at}]", one.parameters or {}
        request.require_supported(parameters, place)
        data = one.data
        if data is None:
            size = _size(parameters, place, binary)
            data, binary = binary[:size], binary[size:]
        content_type = parameters.get(CONTENT_TYPE)
        inputs.append(Tensor(place, one.name, one.datatype, tuple(one.shape), content_type, data))
    if binary:
        raise MalformedRequest(f"{len(binary)} bytes follow the last tensor that the JSON names")
    return Request(inputs, body.parameters or {}, _wanted(body))


def _size(parameters: Parameters, place: str, binary: memoryview) -> int:
    size = parameters.get("binary_data_size")
    if size is None:
        raise MalformedRequest(f"{place} has neither data nor the parameter binary_data_size")
    if type(size) is not int or not 0 <= size <= len(binary):
        told = f"{place}.parameters.binary_data_size must be a whole number of the bytes that follow the JSON"
        raise MalformedRequest(f"{told}: {len(binary)} are left")
    return size


def _wanted(body: InferenceBody) -> Wanted:
    outputs = body.outputs or []
    exceptions = {}
    for at, one in enumerate(outputs):
        parameters = one.parameters or {}
        request.require_supported(parameters, f"outputs[{at}]")
        if "binary_data" in parameters:
            exceptions[one.name] = parameters["binary_data"] is True
    names = tuple(one.name for one in outputs) or None
    return Wanted(body.id, names, (body.parameters or {}).get(BINARY_OUTPUT) is True, exceptions)


def _raw(body: memoryview, signature: Signature) -> Request:
    """A body that is nothing but the model's one input: its shape follows from its size; BYTES are one element."""
    inputs = described(signature.columns or signature.tensors, "input")
    one = inputs[0] if len(inputs) == 1 else None
    if one is None or (one.shape.count(-1) > 1 and one.datatype != BYTES):
        told = "a body without JSON needs a model of one input, whose shape leaves at most one length open"
        raise MalformedRequest(f"Inference-Header-Content-Length is 0: {told}")
    if one.datatype == BYTES:
        rest, data = 1, memoryview(elements.to_raw(elements.objects([bytes(body)], (1,))))
    else:
        fixed = math.prod(size for size in one.shape if size != -1) * np.dtype(NUMBERS[one.datatype]).itemsize
        rest, data = len(body) // max(1, fixed), body
    shape = tuple(rest if size == -1 else size for size in one.shape)
    return Request((Tensor("the body", one.name, one.datatype, shape, None, data),), {}, Wanted(binary=True))


def written(outputs: Sequence[Output], wanted: Wanted, model: str, version: str) -> tuple[bytes, int | None]:
    """The body of an answer, and how long its JSON is; None where that is all of it."""
    pieces: list[bytes] = []
    described = [_described(one, pieces) if wanted.in_binary(one.name) else _listed(one.listed) for one in outputs]
    head = {"model_name": model, "model_version": version, "outputs": described}
    text = orjson.dumps(head if wanted.id is None else {"id": wanted.id, **head}, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join((text, *pieces)), len(text)) if pieces else (text, None)


def _described(output: Output, pieces: list[bytes]) -> dict[str, Any]:
    """The tensor without its data, which are added to `pieces`; bytes are themselves there, not base64."""
    pieces.append(elements.to_raw(output.array))
    parameters: Parameters = {"binary_data_size": len(pieces[-1])}
    if output.content_type is not None and output.content_type != BASE64:
        parameters[CONTENT_TYPE] = output.content_type
    return {**_head(output), "parameters": parameters}


def _listed(output: Output) -> dict[str, Any]:
    flat = output.array.reshape(-1)
    parameters = {} if output.content_type is None else {"parameters": {CONTENT_TYPE: output.content_type}}
    data = list(map(_text, flat)) if flat.dtype == object else flat
    return {**_head(output), **parameters, "data": data}


def _text(item: str | bytes | None) -> str | None:
    """An element of BYTES in JSON, where bytes are base64."""
    return base64.b64encode(item).decode() if isinstance(item, bytes) else item


def _head(output: Output) -> dict[str, Any]:
    return {"name": output.name, "datatype": output.datatype, "shape": output.array.shape}
