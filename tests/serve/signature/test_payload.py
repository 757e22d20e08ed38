from typing import Any

import pytest

from serve.errors import MalformedRequest
from serve.signature.payload import FORMS, UNIFIED_KEYS, Payload, json_word, parse, parse_leniently


@pytest.mark.parametrize("form", FORMS)
def test_a_body_holds_its_data_in_one_of_four_forms(form: str) -> None:
    assert parse({form: [1]}) == Payload(form, [1], None)


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}])
def test_data_that_is_falsy_is_data(value: Any) -> None:
    assert parse({"inputs": value}) == Payload("inputs", value, None)


def test_params_stand_beside_the_data() -> None:
    assert parse({"inputs": [1], "params": {"k": 1}}) == Payload("inputs", [1], {"k": 1})
    assert parse({"inputs": [1], "params": None}) == Payload("inputs", [1], None)


@pytest.mark.parametrize("key", UNIFIED_KEYS)
def test_a_chat_or_completion_body_is_data_as_a_whole(key: str) -> None:
    body = {key: "hello", "temperature": 0.5}
    assert parse(body) == parse_leniently(body) == Payload("unified", body)


def test_read_leniently_unknown_keys_and_params_that_are_none_pass() -> None:
    assert parse_leniently({"inputs": 1, "x": 1, "params": []}) == Payload("inputs", 1, [])


def test_a_payload_keeps_the_body_it_was_read_from() -> None:
    assert parse({"inputs": 1}, b'{"inputs": 1}').body == b'{"inputs": 1}'


ONE = "exactly one of inputs, instances, dataframe_split, dataframe_records"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, f"the body must be a JSON object with {ONE}, not null"),
        ([], f"the body must be a JSON object with {ONE}, not a list"),
        ("x", f"the body must be a JSON object with {ONE}, not a string"),
        (1, f"the body must be a JSON object with {ONE}, not a number"),
        (True, f"the body must be a JSON object with {ONE}, not a boolean"),
        ({}, f"the body must hold {ONE}; it holds none of them"),
        ({"data": [1]}, f"the body must hold {ONE}; it holds none of them"),
        ({"inputs": 1, "instances": 1}, f"the body must hold {ONE}; it holds inputs and instances"),
        ({"inputs": 1, "x": 1}, "unknown key 'x' in the body; beside the data only params may stand"),
        ({"inputs": 1, "params": []}, "params must be a JSON object, not a list"),
        ({"inputs": 1, "params": 0}, "params must be a JSON object, not a number"),
    ],
)
def test_another_body_is_refused(body: Any, told: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse(body)
    assert caught.value.message == told


def test_values_are_named_without_being_repeated() -> None:
    words = [json_word(value) for value in ({}, [], "", True, None, 1, 1.5)]
    assert words == ["an object", "a list", "a string", "a boolean", "null", "a number", "a number"]
