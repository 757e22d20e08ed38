"""gRPC's messages: raw or typed, in and out."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serve.child.wire import Value
from serve.errors import ServeError
from serve.front.grpc import open_inference_pb2 as pb
from serve.front.grpc.messages import MessageReading, answer
from serve.request import InferenceResponse
from serve.signature.spec import Param, Signature
from tests.serve.child.conftest import child_module
from tests.serve.front.open_inference.conftest import Model
from tests.serve.front.open_inference.signatures import columns, tensors

_outputs = child_module("outputs")

LINEAGE = (("x-model-digest", "sha256:" + "0123456789ab" * 4),)
TYPED = {
    "BOOL": ("bool_contents", [True, False]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-1, 1]),
    "INT32": ("int_contents", [-1, 1]),
    "INT64": ("int64_contents", [-(2**63), 1]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT16": ("uint_contents", [0, 1]),
    "UINT32": ("uint_contents", [0, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**64 - 1]),
    "FP32": ("fp32_contents", [0.5, np.inf]),
    "FP64": ("fp64_contents", [0.1, -1.0]),
}
DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]


def asked(*inputs: dict[str, Any], raw: tuple[bytes, ...] = (), **more: Any) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(model_name="m", inputs=inputs, raw_input_contents=raw, **more)


def one(name: str, datatype: str, *shape: int, **contents: Any) -> dict[str, Any]:
    more = {"contents": contents} if contents else {}
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def answered(message: pb.ModelInferRequest, value: Value, signature: Signature) -> pb.ModelInferResponse:
    bound = MessageReading(message).bind(signature)
    return answer(InferenceResponse("m", value, bound, signature, LINEAGE))


def echoed(message: pb.ModelInferRequest, signature: Signature, model: Model) -> pb.ModelInferResponse:
    given = model.given(MessageReading(message).bind(signature))
    return answered(message, _outputs.to_value(given), signature)


def test_typed_contents_are_answered_with_typed_contents(model: Model) -> None:
    signature = tensors({name: (dtype, (-1,)) for name, dtype in zip(TYPED, DTYPES, strict=True)})
    message = asked(*(one(name, name, 2, **{field: items}) for name, (field, items) in TYPED.items()), id="7")
    found = echoed(message, signature, model)
    assert (found.id, found.model_name, found.model_version) == ("7", "m", "0123456789ab")
    assert len(found.raw_output_contents) == 0
    for output in found.outputs:
        field, items = TYPED[output.name]
        assert (output.datatype, list(output.shape)) == (output.name, [2])
        assert list(getattr(output.contents, field)) == pytest.approx(items)


def test_raw_contents_are_answered_raw(model: Model) -> None:
    signature = tensors({name: (dtype, (-1,)) for name, dtype in zip(TYPED, DTYPES, strict=True)})
    raw = tuple(np.array(items, dtype).tobytes() for (_, items), dtype in zip(TYPED.values(), DTYPES, strict=True))
    found = echoed(asked(*(one(name, name, 2) for name in TYPED), raw=raw), signature, model)
    assert tuple(found.raw_output_contents) == raw
    assert not any(output.HasField("contents") for output in found.outputs)


def test_bytes_are_themselves_both_ways(model: Model) -> None:
    signature = columns(s="string", b="binary")
    inputs = one("s", "BYTES", 1, bytes_contents=["é".encode()]), one("b", "BYTES", 1, bytes_contents=[b"\0\xff"])
    found = echoed(asked(*inputs), signature, model)
    assert [list(output.contents.bytes_contents) for output in found.outputs] == [["é".encode()], [b"\0\xff"]]
    assert [dict(output.parameters) for output in found.outputs] == [
        {"content_type": pb.InferParameter(string_param="str")},
        {},
    ]
    raw = (b"\2\0\0\0\xc3\xa9", b"\2\0\0\0\0\xff")
    found = echoed(asked(one("s", "BYTES", 1), one("b", "BYTES", 1), raw=raw), signature, model)
    assert tuple(found.raw_output_contents) == raw


def test_fp16_is_widened_where_it_has_no_place() -> None:
    value, signature = _outputs.to_value(np.array([0.5], "f2")), columns(x="double")
    typed = answered(asked(one("x", "FP64", 1, fp64_contents=[1.0])), value, signature)
    assert (typed.outputs[0].datatype, list(typed.outputs[0].contents.fp32_contents)) == ("FP32", [0.5])
    raw = answered(asked(one("x", "FP64", 1), raw=(b"\0" * 8,)), value, signature)
    assert (raw.outputs[0].datatype, raw.raw_output_contents[0]) == ("FP16", np.array([0.5], "<f2").tobytes())


def test_null_is_an_element_without_bytes() -> None:
    value, signature = _outputs.to_value(pd.DataFrame({"s": ["a", None]})), columns(x="double")
    typed = answered(asked(one("x", "FP64", 1, fp64_contents=[1.0])), value, signature)
    assert list(typed.outputs[0].contents.bytes_contents) == [b"a", b""]


def test_outputs_and_params_are_asked_for_as_in_rest() -> None:
    signature = columns(x="double", params=(Param("times", "long", 1, None), Param("scale", "double", 1.0, None)))
    parameters = {"times": pb.InferParameter(int64_param=2), "scale": pb.InferParameter(double_param=0.5)}
    reserved = {"priority": pb.InferParameter(uint64_param=1)}
    message = asked(
        one("x", "FP64", 1, fp64_contents=[1.0]), parameters={**parameters, **reserved}, outputs=[{"name": "b"}]
    )
    bound = MessageReading(message).bind(signature)
    assert (bound.params, bound.note.outputs) == ({"times": 2, "scale": 0.5}, ("b",))
    found = answered(message, _outputs.to_value(pd.DataFrame({"a": [1], "b": [2]})), signature)
    assert [output.name for output in found.outputs] == ["b"]


def test_a_reading_is_the_same_in_another_process() -> None:
    reading = MessageReading(asked(one("x", "FP64", 1), raw=(b"\0" * 8,)))
    again = pickle.loads(pickle.dumps(reading))
    assert (again.size, again.bind(columns(x="double")).rows) == (reading.size, 1)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (asked(), "inputs: there must be at least one"),
        (
            asked(one("x", "FP64", 1), one("y", "FP64", 1), raw=(b"\0" * 8,)),
            "raw_input_contents has 1 tensors for 2 inputs: where one is raw, all must be",
        ),
        (
            asked(one("x", "FP64", 1, fp64_contents=[1.0]), raw=(b"\0" * 8,)),
            "inputs[0] has contents beside raw_input_contents: send one of them",
        ),
        (asked(one("x", "FP64", 1, fp32_contents=[1.0])), "inputs[0] has 0 elements of data; its shape takes 1"),
        (asked(one("x", "FP64", 2), raw=(b"\0" * 8,)), "inputs[0] has 8 bytes of data; its shape and datatype take 16"),
        (asked(one("x", "FP64", -1, fp64_contents=[1.0])), "inputs[0].shape must be at most 32 whole numbers"),
        (asked(one("x", "FP16", 1)), "inputs[0] is of datatype FP16, which only binary data can carry"),
        (asked(one("x", "BF16", 1)), "inputs[0] is of datatype BF16, which is not read here"),
        (asked(one("x", "F", 1)), "inputs[0].datatype must be one of BOOL"),
        (asked(one("x", "INT8", 1, int_contents=[300])), "inputs[0].data holds a number outside the range of INT8"),
        (
            asked({**one("x", "FP64", 1), "parameters": {"shared_memory_region": pb.InferParameter(string_param="r")}}),
            "shared memory is not supported here",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(message: pb.ModelInferRequest, told: str) -> None:
    with pytest.raises(ServeError) as refused:
        MessageReading(message).bind(columns(x="double"))
    assert told in refused.value.message
