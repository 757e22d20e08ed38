import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import JSON, Part, Value
from serve.errors import MalformedRequest
from serve.front.schemas.mlflow_json import decode, encode
from serve.inference import InferenceRequest, InferenceResponse
from serve.signature.payload import Payload


def test_a_body_becomes_a_request_for_the_model_its_path_names() -> None:
    body = b'{"inputs": [[1.5]], "params": {"k": 1}}'
    assert decode(body, "digits", 7.5) == InferenceRequest("digits", Payload("inputs", [[1.5]], {"k": 1}), 7.5)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is not JSON: the body is empty at the start"),
        (b"{", "the body is not JSON: "),
        (b'{"inputs": [1,]}', "line 1 column 14"),
        (b'{\n "inputs": secret}', "line 2 column 12"),
        (b'{"inputs": NaN}', "line 1 column 12"),
        (b'{"inputs": 1e999}', "line 1 column"),
        (b"\xff\xfe", "the body is not JSON: "),
        (b'{"inputs": "\xff"}', "the body is not JSON: "),
        (b'{"inputs": 1} x', "line 1 column 15"),
        (b"inputs=1", "line 1 column 1"),
        (b"[" * 100_000, "the body is not JSON: "),
        (b"[1]", "the body must be a JSON object"),
    ],
)
def test_a_body_that_is_no_request_is_refused_with_the_place_and_never_repeated(body: bytes, told: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        decode(body, None, 0.0)
    assert told in caught.value.message
    assert "secret" not in caught.value.message
    assert len(caught.value.message) < 200


@given(st.binary(max_size=50))
def test_any_bytes_are_a_request_or_malformed(body: bytes) -> None:
    try:
        decode(body, None, 0.0)
    except MalformedRequest:
        return
    assert json.loads(body)


def test_an_answer_is_its_values_predictions() -> None:
    value = Value("json", (Part(None, JSON, (), b"[1]"),))
    assert encode(InferenceResponse("digits", value, {})) == b'{"predictions":[1]}'
