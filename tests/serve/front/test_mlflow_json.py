import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import JSON, Part, Value
from serve.errors import MalformedRequest, RequestRejected
from serve.front.formats.mlflow_json import JsonReading, write
from serve.front.schemas.invocations import MlflowReading
from serve.signature.spec import Param, Signature, TensorSpec, parse

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
        (b"[" * 100_000, "nested too deeply"),
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


_MATRIX = Signature(tensors=(TensorSpec(None, "<f4", (-1, 4)),))


def _body(rows: int, last: str = "4.5") -> bytes:
    return b'{"inputs":[%b]}' % b",".join([b"[1.5,2.5,3.5,%b]" % last.encode()] * rows)


@pytest.mark.parametrize("reading", [JsonReading, MlflowReading])
def test_many_numbers_may_be_read_here_and_now(reading: type[JsonReading | MlflowReading]) -> None:
    short = reading(_body(10_000)).short(_MATRIX)
    assert short is not None
    assert short.rows == 10_000
    assert short == reading(_body(10_000)).bind(_MATRIX)


@pytest.mark.parametrize("reading", [JsonReading, MlflowReading])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_body(100_000), id="it would take long"),
        pytest.param(_body(10_000, "9007199254740994"), id="integers that floats do not tell apart"),
        pytest.param(_body(10_000, "null"), id="not only numbers"),
    ],
)
def test_what_may_take_longer_is_left_to_be_read_aside(reading: type[JsonReading | MlflowReading], body: bytes) -> None:
    assert reading(body).short(_MATRIX) is None


TEXTS = parse({"inputs": '[{"type": "string", "name": "s"}, {"type": "double", "name": "x"}]', "params": None})


@pytest.mark.parametrize("text", [rb'"\ud800"', rb'"\udc00\ud800"', b'"\xed\xa0\x80"', b'"\xff"'])
@pytest.mark.parametrize("number", [b"1.0", b"NaN"])
def test_a_string_that_has_no_utf_8_is_no_json_to_either_dialect(text: bytes, number: bytes) -> None:
    body = b'{"inputs": {"s": [' + text + b'], "x": [' + number + b"]}}"
    for reading in (JsonReading(body), MlflowReading(body)):
        with pytest.raises(MalformedRequest):
            reading.bind(TEXTS)


@pytest.mark.parametrize("number", [b"1" + b"0" * 21, b"-1" + b"0" * 21])
def test_an_integer_beyond_64_bits_is_a_number_to_mlflow_beside_nan_too(number: bytes) -> None:
    record = parse({"inputs": '[{"type": "map", "name": "m", "values": {"type": "any"}}]', "params": None})
    body = b'{"inputs": [{"m": {"k": ' + number + b'}}, {"m": {"k": NaN}}]}'
    assert MlflowReading(body).bind(record).value.rows == 2
    with pytest.raises(MalformedRequest):
        MlflowReading(body.replace(number, b"1" + b"0" * 400)).bind(record)
