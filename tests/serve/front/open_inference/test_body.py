"""Bodies of REST: JSON, JSON and binary tensors after it, nothing but a tensor; packed or not."""

import gzip
import pickle
import zlib
from typing import Any

import numpy as np
import orjson
import pytest

from serve.aside import pack
from serve.errors import InvalidInputs, MalformedRequest, PayloadTooLarge, ServeError, UnsupportedContent
from serve.front.open_inference.body import BodyReading
from serve.front.open_inference.request import Wanted
from serve.signature.spec import Signature
from tests.serve.front.open_inference.conftest import Model
from tests.serve.front.open_inference.signatures import columns, tensors

LIMIT = 100_000
MATRIX = tensors({None: ("f4", (-1, 2))})
X: dict[str, Any] = {"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2]}
XS = columns(x="double")


def read(body: bytes | dict[str, Any], json_length: int | None = None, encoding: str = "") -> BodyReading:
    return BodyReading(orjson.dumps(body) if isinstance(body, dict) else body, json_length, encoding, LIMIT)


def mixed() -> tuple[bytes, int]:
    """A body of three tensors: binary, JSON, binary."""
    head = orjson.dumps(
        {
            "inputs": [
                {"name": "a", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
                {"name": "b", "shape": [2], "datatype": "INT64", "data": [3, 4]},
                {"name": "c", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 10}},
            ]
        }
    )
    return head + np.array([1, 2], "f4").tobytes() + b"\1\0\0\0x\1\0\0\0y", len(head)


def test_binary_tensors_follow_the_json_in_its_order(model: Model) -> None:
    body, json_length = mixed()
    frame = model.given(read(body, json_length).bind(columns(a="float", b="long", c="string")))
    assert frame.to_dict("list") == {"a": [1.0, 2.0], "b": [3, 4], "c": ["x", "y"]}


def test_a_reading_is_the_same_in_another_process(model: Model) -> None:
    body, json_length = mixed()
    reading = pickle.loads(pickle.dumps(read(body, json_length)))
    bound = pickle.loads(b"".join(pack(reading.bind(columns(a="float", b="long", c="string")))))
    assert (reading.size, bound.rows, bound.note) == (len(body), 2, Wanted())


def test_the_answer_is_wanted_as_the_request_says() -> None:
    outputs = [{"name": "y"}, {"name": "z", "parameters": {"binary_data": False}}]
    told = {"id": "7", "inputs": [X], "outputs": outputs, "parameters": {"binary_data_output": True}}
    wanted = read(told).bind(XS).note
    assert (wanted.id, wanted.outputs) == ("7", ("y", "z"))
    assert [wanted.in_binary(name) for name in ("y", "z")] == [True, False]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_packed_body_is_unpacked(model: Model, pack: Any) -> None:
    body, json_length = mixed()
    encoding = "gzip" if pack is gzip.compress else "deflate"
    reading = read(pack(body), json_length, encoding)
    assert model.given(reading.bind(columns(a="float", b="long", c="string")))["b"].tolist() == [3, 4]
    assert len(body) <= reading.size <= LIMIT


def test_a_body_without_json_is_the_models_one_input(model: Model) -> None:
    body = np.array([[1, 2], [3, 4]], "f4").tobytes()
    bound = read(body, 0).bind(MATRIX)
    assert model.given(bound).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert bound.note == Wanted(binary=True)
    assert model.given(read(b"\0\0\0\0\0\0\0\0", 0).bind(XS))["x"].tolist() == [0.0]
    assert model.given(read("é".encode(), 0).bind(columns(x="string")))["x"].tolist() == ["é"]


@pytest.mark.parametrize(
    ("body", "signature", "told"),
    [
        (b"\0" * 9, MATRIX, "the body has 9 bytes of data; its shape and datatype take 8"),
        (b"", MATRIX, "inputs holds no rows"),
        (b"", tensors({None: ("f4", (2,))}), "the body has 0 bytes of data; its shape and datatype take 8"),
        (b"", tensors({None: ("f4", (-1, -1))}), "needs a model of one input, whose shape leaves at most one length"),
        (b"", tensors({None: ("f4", (-1, 0))}), "inputs holds no rows"),
        (b"a", tensors({None: ("U", (3,))}), "the body has 1 elements of data; its shape takes 3"),
        (b"", columns(x="double", y="double"), "needs a model of one input"),
        (b"", Signature(), "needs a model of one input"),
    ],
)
def test_a_body_without_json_that_does_not_fit_is_refused(body: bytes, signature: Signature, told: str) -> None:
    with pytest.raises(ServeError) as refused:
        read(body, 0).bind(signature)
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is not JSON: the body is empty"),
        (b"{", "the body is not JSON"),
        (b'{"inputs": [NaN]}', "the body is not JSON"),
        (b"[]", "the body: it must be a JSON object"),
        (b"{}", "inputs: it is missing"),
        (b'{"inputs": []}', "inputs: there must be at least one"),
        (b'{"inputs": [3]}', "inputs[0]: it must be a JSON object"),
        ({"inputs": [{"name": 3, "shape": [2], "datatype": "FP64", "data": [1, 2]}]}, "inputs[0].name: it should be"),
        ({"inputs": [{**X, "shape": [-2]}]}, "inputs[0].shape[0]: it should be greater than or equal to 0"),
        ({"inputs": [{**X, "shape": [2.0]}]}, "inputs[0].shape[0]: it should be a valid integer"),
        ({"inputs": [{**X, "shape": [True]}]}, "inputs[0].shape[0]: it should be a valid integer"),
        (b'{"inputs": [{"name": "x", "shape": [1180591620717411303424], "datatype": "FP64"}]}', "inputs[0].shape[0]"),
        ({"inputs": [{**X, "data": None}]}, "inputs[0] has neither data nor the parameter binary_data_size"),
        ({"inputs": [{**X, "parameters": []}]}, "inputs[0].parameters: it must be a JSON object"),
        ({"inputs": [X], "id": 7}, "id: it should be a valid string"),
        ({"inputs": [X], "parameters": 7}, "parameters: it must be a JSON object"),
        ({"inputs": [X], "outputs": [{}]}, "outputs[0].name: it is missing"),
        (
            {"inputs": [X], "outputs": [{"name": "y", "parameters": {"classification": 3}}]},
            "outputs[0].parameters.classification: classification is not supported here",
        ),
        (
            {"inputs": [{**X, "parameters": {"shared_memory_region": "r"}}]},
            "inputs[0].parameters.shared_memory_region: shared memory is not supported here",
        ),
    ],
)
def test_a_body_of_another_shape_is_refused_with_its_place(body: bytes | dict[str, Any], told: str) -> None:
    with pytest.raises(ServeError) as refused:
        read(body).bind(XS)
    assert told in refused.value.message


@pytest.mark.parametrize("size", [-1, 17, True, "16", 1e3])
def test_a_binary_size_that_the_body_has_not_is_refused(size: Any) -> None:
    head = orjson.dumps({"inputs": [{**X, "data": None, "parameters": {"binary_data_size": size}}]})
    with pytest.raises(MalformedRequest, match=r"binary_data_size must be a whole number of the bytes that follow"):
        read(head + b"\0" * 16, len(head)).bind(XS)


def test_bytes_after_the_last_tensor_are_refused() -> None:
    body, json_length = mixed()
    with pytest.raises(MalformedRequest, match="3 bytes follow the last tensor"):
        read(body + b"abc", json_length).bind(XS)


def test_a_json_length_beyond_the_body_is_refused() -> None:
    with pytest.raises(MalformedRequest, match="Inference-Header-Content-Length is 9, and the body has 2 bytes"):
        read(b"{}", 9).bind(XS)


@pytest.mark.parametrize(
    ("body", "encoding", "error", "told"),
    [
        (
            gzip.compress(b" " * (LIMIT + 1), mtime=0),
            "gzip",
            PayloadTooLarge,
            "unpacked, is over the limit of 100000 bytes",
        ),
        (zlib.compress(b" " * 10**8), "deflate", PayloadTooLarge, "unpacked, is over the limit of 100000 bytes"),
        (b"{}", "gzip", MalformedRequest, "the body is not gzip"),
        (gzip.compress(b"{}", mtime=0)[:-1], "gzip", MalformedRequest, "the body is not one whole gzip stream"),
        (gzip.compress(b"{}", mtime=0) + b"x", "gzip", MalformedRequest, "the body is not one whole gzip stream"),
        (b"{}", "br", UnsupportedContent, "the Content-Encoding must be gzip, deflate, or none"),
    ],
)
def test_a_packed_body_that_is_none_or_too_large_is_refused(
    body: bytes, encoding: str, error: type[ServeError], told: str
) -> None:
    with pytest.raises(error, match=told):
        read(body, None, encoding).bind(XS)


def test_several_flaws_are_all_kept() -> None:
    with pytest.raises(InvalidInputs) as refused:
        read({"inputs": [X, {**X, "name": "y"}]}).bind(columns(x="long", y="long"))
    assert [flaw.place for flaw in refused.value.flaws] == ["inputs.x", "inputs.y"]
