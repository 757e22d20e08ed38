"""The short way from a body to a request gives what the general ways give, or gives way to them."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from serve.child.wire import Value
from serve.signature import numbers
from serve.signature.binding import Bound, bind, bind_as_mlflow
from serve.signature.payload import parse, parse_leniently
from serve.signature.spec import Column, Param, Signature, TensorSpec
from tests.serve.child.conftest import child_module
from tests.serve.signature.bodies import DAMAGE, PARAMS, asked

given_to_model = child_module("inputs").given


def strictly(body: bytes, signature: Signature) -> Bound:
    return bind(parse(orjson.loads(body), body), signature)


def as_mlflow(body: bytes, signature: Signature) -> Bound:
    """With NaN and infinities, which MLflow's dialect takes too."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = json.loads(body)
    return bind_as_mlflow(parse_leniently(document, body), signature)


WAYS: tuple[Callable[[bytes, Signature], Bound], ...] = (strictly, as_mlflow)


def agree(body: bytes, signature: Signature) -> bool:
    """Whether the short way was taken; where it was, the general ways must come to the same."""
    short = numbers.read(body, signature)
    if short is None:
        return False
    for way in WAYS:
        general = way(body, signature)
        assert_same(short.value, general.value)
        assert (short.params, short.rows, short.unwrapped) == (general.params, general.rows, general.unwrapped)
        assert short.value.kind == "frame" or short.group == general.group
    assert short.joins
    assert short.group == short._replace(joint=None).group
    return True


def assert_same(short: Value, general: Value) -> None:
    """Both become the very same in the model's process."""
    assert short.kind == general.kind
    one, other = (given_to_model((value,), None) for value in (short, general))
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_column_type=True)
        one, other = one.to_numpy(), other.to_numpy()
    assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def tensor(dtype: str, *inner: int) -> Signature:
    return Signature(tensors=(TensorSpec(None, dtype, (-1, *inner)),))


def frame(type_: str, *names: str | None, params: tuple[Param, ...] = ()) -> Signature:
    return Signature(columns=tuple(Column(name, type_, True) for name in names), params=params)


VECTOR, MATRIX, PAIRS = tensor("<f4"), tensor("<f8", 2), tensor("<i4", -1, 2)
AB = frame("double", "a", "b")


@pytest.mark.parametrize(
    ("signature", "body", "data"),
    [
        (VECTOR, '{"inputs": [1, 2.5, -0.0]}', [1, 2.5, -0.0]),
        (VECTOR, ' {"instances" :[ 25e-2 ]}'.lstrip(), [0.25]),
        (MATRIX, '{"inputs": [[1, 2], [3, 4.5]]}', [[1, 2], [3, 4.5]]),
        (MATRIX, '{"\\u0069nputs": [[1, 2]]}', [[1, 2]]),
        (tensor("<f8", -1), '{"inputs": [[1, 2, 3]]}', [[1, 2, 3]]),
        (PAIRS, '{"inputs": [[[1, 2]], [[3, 4]]]}', [[[1, 2]], [[3, 4]]]),
        (tensor("<i8"), '{"inputs": [9223372036854775807, -9223372036854775808]}', [2**63 - 1, -(2**63)]),
        (tensor("<f8"), '{"inputs": [9007199254740992]}', [2**53]),
        (AB, '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}', [[1, 2], [3, 4]]),
        (AB, '{"dataframe_split": {"data": [[1, 2]], "columns": ["a", "b"]}}', [[1, 2]]),
        (frame("long", "\u00e9"), '{"dataframe_split": {"columns": ["\\u00e9"], "data": [[1]]}}', [[1]]),
        (frame("float", "a[0]"), '{"dataframe_split": {"columns": ["a\\u005b0]"], "data": [[1]]}}', [[1]]),
    ],
)
def test_bodies_of_nothing_but_numbers_take_the_short_way(signature: Signature, body: str, data: Any) -> None:
    assert agree(body.encode(), signature)
    found = numbers.read(body.encode(), signature)
    assert found is not None
    (part,) = found.value.parts
    assert np.frombuffer(part.data, part.dtype).reshape(part.shape).tolist() == data


def test_params_that_are_not_given_have_their_defaults() -> None:
    found = numbers.read(b'{"inputs": [1]}', Signature(tensors=VECTOR.tensors, params=PARAMS))
    assert found is not None
    assert found.params == {"threshold": 0.5, "ids": [1]}


SPLIT = '{"dataframe_split": {"columns": ["a", "b"], "data": %s}}'
LONG_WAY = [
    (VECTOR, '{"inputs": []}'),
    (VECTOR, '{"inputs": [[1]]}'),
    (VECTOR, '{"inputs": [[]]}'),
    (VECTOR, '{"inputs": 1}'),
    (VECTOR, '{"inputs": null}'),
    (VECTOR, '{"inputs": "12"}'),
    (VECTOR, '{"inputs": {"a": 1}}'),
    (VECTOR, '{"inputs": [{"a": 1}]}'),
    (VECTOR, '{"inputs": [true]}'),
    (VECTOR, '{"inputs": [null]}'),
    (VECTOR, '{"inputs": [NaN]}'),
    (VECTOR, '{"inputs": [Infinity]}'),
    (VECTOR, '{"inputs": ["1"]}'),
    (VECTOR, '{"inputs": [1e39]}'),
    (VECTOR, '{"inputs": [1e400]}'),
    (VECTOR, '{"inputs": [9007199254740995]}'),
    (VECTOR, '{"inputs": [1]} x'),
    (VECTOR, '{"inputs": [1]}}'),
    (VECTOR, '{"inputs": [1],}'),
    (VECTOR, '{"inputs": [01]}'),
    (VECTOR, '{"inputs": [1]'),
    (VECTOR, '{"inputs": [1], "inputs": [2]}'),
    (VECTOR, '{"inputs": [1], "instances": [2]}'),
    (VECTOR, '{"inputs": [1], "params": {}}'),
    (VECTOR, '{"inputs": [1], "input": 1}'),
    (VECTOR, '{"data": [1]}'),
    (VECTOR, "{}"),
    (VECTOR, "[1]"),
    (VECTOR, ""),
    (MATRIX, '{"inputs": [[1e200, 1]]}'),
    (MATRIX, '{"inputs": [[1, 2], [3, -1e308]]}'),
    (MATRIX, '{"inputs": [[1, 2], [3]]}'),
    (MATRIX, '{"inputs": [[1, 2, 3]]}'),
    (MATRIX, '{"inputs": [[1, [2]]]}'),
    (MATRIX, '{"inputs": [[1, 2], 3]}'),
    (MATRIX, '{"inputs": ["12"]}'),
    (MATRIX, '{"inputs": [{"a": [1], "b": 2}]}'),
    (MATRIX, '{"inputs": [{"a": 1, "b": 2}]}'),
    (MATRIX, SPLIT % "[[1, 2]]"),
    (PAIRS, '{"inputs": [[[1, 2]], [[3, 4], [5, 6]]]}'),
    (PAIRS, '{"inputs": [[[1, 2147483648]]]}'),
    (PAIRS, '{"inputs": [[[1, 2.0]]]}'),
    (PAIRS, '{"inputs": [[[1, -2147483649]]]}'),
    (PAIRS, '{"inputs": [[], []]}'),
    (tensor("<i8"), '{"inputs": [9223372036854775808]}'),
    (tensor("|u1"), '{"inputs": [1]}'),
    (tensor("|b1"), '{"inputs": [1]}'),
    (Signature(tensors=(TensorSpec(None, "<f4", (1,)),)), '{"inputs": [1]}'),
    (Signature(tensors=(TensorSpec("a", "<f4", (-1,)),)), '{"inputs": [1]}'),
    (Signature(columns=AB.columns, type_hint=True), SPLIT % "[[1, 2]]"),
    (Signature(columns=(*AB.columns, Column("c", "long", True))), SPLIT % "[[1, 2]]"),
    (Signature(), '{"inputs": [1]}'),
    (frame("double", None, None), SPLIT % "[[1, 2]]"),
    (frame("double", "a", "a"), '{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}'),
    (AB, '{"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2]]}}'),
    (AB, '{"dataframe_split": {"columns": ["a"], "data": [[1]]}}'),
    (AB, '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "index": [7]}}'),
    (AB, '{"dataframe_split": {"columns": ["a", ["b"]], "data": [[1, 2]]}}'),
    (AB, '{"dataframe_split": {"columns": {"a": 1, "b": 2}, "data": [[1, 2]]}}'),
    (AB, '{"dataframe_split": {"columns": ["a", "b"], "data": {"0": [1, 2]}}}'),
    (AB, '{"dataframe_split": {"data": [[1, 2]]}}'),
    (AB, '{"dataframe_split": [[1, 2]]}'),
    (AB, '{"dataframe_records": [{"a": 1, "b": 2}]}'),
    (AB, '{"inputs": [[1, 2]]}'),
    (AB, SPLIT % "[[1, 2], [3]]"),
    (AB, SPLIT % "[[1, 2, 3]]"),
    (AB, SPLIT % "[[1, null]]"),
    (AB, SPLIT % "[]"),
    (AB, SPLIT % "[1, 2]"),
]


@pytest.mark.parametrize(
    ("signature", "body"), LONG_WAY, ids=[f"{at}-{body[:60]}" for at, (_, body) in enumerate(LONG_WAY)]
)
def test_all_else_is_left_to_the_general_way(signature: Signature, body: str) -> None:
    assert numbers.read(body.encode(), signature) is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + b'{"inputs": [1]}', id="a byte order mark"),
        pytest.param(b'{"inputs": [1]}\0', id="a NUL at the end"),
        pytest.param(b'{"inputs": [1], "\xff": 1}', id="no UTF-8"),
        pytest.param(b'{"inputs": ' + b"[" * 5000 + b"]" * 5000 + b"}", id="deep nesting"),
        pytest.param(b'{"inputs": ' + b"[" * 5000, id="deep nesting without an end"),
    ],
)
def test_bytes_that_are_no_request_of_numbers_are_left_to_the_general_way(body: bytes) -> None:
    assert numbers.read(body, VECTOR) is None


def test_a_body_larger_than_what_a_parser_may_keep_is_read_as_well() -> None:
    body = json.dumps({"inputs": [[float(at), -0.5] for at in range(100_000)]}).encode()
    assert len(body) > 2**20
    assert agree(body, MATRIX)


def test_what_was_read_stays_as_it_is_when_the_next_is_read() -> None:
    first = numbers.read(b'{"inputs": [[1.5, 2.5]]}', MATRIX)
    numbers.read(b'{"inputs": [[8.5, 9.5]]}', MATRIX)
    assert first is not None
    assert np.frombuffer(first.value.parts[0].data, "<f8").tolist() == [1.5, 2.5]


@settings(max_examples=600)
@given(asked(), st.booleans())
def test_whatever_the_short_way_reads_the_general_ways_read_alike(
    pair: tuple[Signature, Any], ascii_only: bool
) -> None:
    signature, document = pair
    short = agree(json.dumps(document, ensure_ascii=ascii_only).encode(), signature)
    event("the short way" if short else "the long way")


@settings(max_examples=300)
@given(asked(), st.data())
def test_a_body_damaged_anywhere_is_read_alike_or_left_to_the_general_way(
    pair: tuple[Signature, Any], data: st.DataObject
) -> None:
    signature, document = pair
    body = bytearray(json.dumps(document).encode())
    at = data.draw(st.integers(0, len(body)))
    body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.sampled_from(DAMAGE))
    short = agree(bytes(body), signature)
    event("the short way" if short else "the long way")
