"""Whatever comes is understood or refused in a sentence: nothing else may leave the reading of a request."""

import contextlib
from typing import Any

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import ServeError
from serve.front.grpc import open_inference_pb2 as pb
from serve.front.grpc.messages import MessageReading
from serve.front.open_inference.body import BodyReading
from serve.front.open_inference.datatypes import NUMBERS
from serve.signature.spec import AnyType, ArrayType, Param, Signature, TensorSpec
from tests.serve.front.open_inference.signatures import columns, tensors

SIGNATURES = [
    Signature(),
    columns(x="double"),
    columns(**{"x": "string", "y?": "datetime"}),
    columns(x="binary", y=ArrayType("long")),
    columns(x=AnyType(), params=(Param("p", "long", 1, None), Param("q", "string", [], (-1,)))),
    tensors({None: ("f4", (-1, 2))}),
    tensors({"x": ("c8", (-1,)), "y": ("M8[ns]", (-1,))}),
    tensors({"x": ("m8[s]", (-1,)), "y": ("U", (-1,))}),
    Signature(tensors=(TensorSpec("x", "|O", (-1,)),), outputs=(TensorSpec("y", "<f8", (-1,)),)),
    Signature(columns=columns(x="string").columns, type_hint=True),
]

leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=4)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)
names = st.sampled_from(["x", "y", "input-0", "input-1", ""])
datatypes = st.sampled_from([*NUMBERS, "BYTES", "BF16", "?"])
shapes = st.lists(st.integers(-1, 3) | st.just(2**62), max_size=3)
parameters = st.dictionaries(
    st.sampled_from(["content_type", "binary_data_size", "binary_data", "binary_data_output", "p", "q", "timeout"]),
    values | st.sampled_from(["str", "base64", "datetime", "json", "pd", "np", "dict", "complex", 8, True]),
    max_size=3,
)
inputs = st.fixed_dictionaries(
    {"name": names | values, "datatype": datatypes | values, "shape": shapes | values},
    optional={"data": st.lists(leaves, max_size=4) | values, "parameters": parameters},
)
bodies = st.fixed_dictionaries(
    {"inputs": st.lists(inputs, max_size=3)},
    optional={
        "id": values,
        "parameters": parameters,
        "outputs": st.lists(st.fixed_dictionaries({"name": names}), max_size=2),
    },
)


@given(bodies, st.binary(max_size=24), st.sampled_from(SIGNATURES))
def test_any_body_is_understood_or_refused(body: dict[str, Any], binary: bytes, signature: Signature) -> None:
    with contextlib.suppress(ServeError):
        text = orjson.dumps(body)
        assert BodyReading(text + binary, len(text), "", 10_000).bind(signature).rows > 0


@given(
    st.binary(max_size=40),
    st.sampled_from(["", "gzip", "deflate"]),
    st.sampled_from([None, 0, 3]),
    st.sampled_from(SIGNATURES),
)
def test_any_bytes_are_understood_or_refused(
    body: bytes, encoding: str, json_length: int | None, signature: Signature
) -> None:
    with contextlib.suppress(ServeError):
        assert BodyReading(body, json_length, encoding, 10_000).bind(signature).rows > 0


@given(
    st.lists(st.tuples(names, datatypes, st.lists(st.integers(-1, 3), max_size=2), st.booleans()), max_size=3),
    st.lists(st.binary(max_size=16), max_size=3),
    st.sampled_from(SIGNATURES),
)
def test_any_message_is_understood_or_refused(
    described: list[tuple[str, str, list[int], bool]], raw: list[bytes], signature: Signature
) -> None:
    message = pb.ModelInferRequest(raw_input_contents=raw)
    for name, datatype, shape, typed in described:
        one = message.inputs.add(name=name, datatype=datatype, shape=shape)
        if typed:
            one.contents.fp32_contents.extend(np.arange(2).tolist())
            one.contents.bytes_contents.extend([b"\xff", b"2024-05-31"])
    with contextlib.suppress(ServeError):
        assert MessageReading(message).bind(signature).rows > 0
