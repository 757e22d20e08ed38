import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import JSON, Part, Value
from serve.errors import MalformedRequest, RequestRejected
from serve.front.formats.mlflow_json import JsonReading, write
from serve.signature.spec import Param, Signature

ANY = Signature(params=(Param("k", "long", 0, None),))


def test_a_body_is_bound_to_the_signature_of_the_model_that_answers() -> None:
    bound = JsonReading(b'{"inputs": [[1.5]], "params": {"k": 1}}').bind(ANY)
    assert (bound.value.rows, bound.params) == (1, {"k": 1})


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
        JsonReading(body).bind(ANY)
    assert told in caught.value.message
    assert "secret" not in caught.value.message
    assert len(caught.value.message) < 200


@given(st.binary(max_size=50))
def test_any_bytes_are_a_request_or_malformed(body: bytes) -> None:
    try:
        JsonReading(body).bind(ANY)
    except RequestRejected:
        return
    assert json.loads(body)


def test_an_answer_is_its_values_predictions() -> None:
    value = Value("json", (Part(None, JSON, (), b"[1]"),))
    assert write(value) == b'{"predictions":[1]}'
