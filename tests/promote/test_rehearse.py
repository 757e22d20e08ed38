"""The rehearsal's pure parts: one row of a request, and how many rows an answer has."""

from typing import Any

import numpy as np
import orjson
import pytest

from promote.rehearse import _length, _row
from serve.child.wire import JSON, Value
from serve.signature import payload
from serve.signature.binding import Bound, bind
from serve.signature.spec import Column, Signature, TensorSpec

FRAME = Signature(columns=(Column("x", "double", True), Column("s", "string", True), Column("b", "binary", True)))


def request(body: Any, signature: Signature) -> Bound:
    return bind(payload.parse(body), signature)


def test_a_row_of_a_frame_is_the_request_of_that_row_alone() -> None:
    columns = {"x": [1.0, 2.0, 3.0], "s": ["a", "é", "c"], "b": ["YQ==", "Yg==", "Yw=="]}
    whole = request({"inputs": columns}, FRAME)
    for at in range(3):
        row = _row(whole, at)
        alone = request({"inputs": {name: [column[at]] for name, column in columns.items()}}, FRAME)
        assert _same(row.value, alone.value)
        assert (row.rows, row.group) == (1, whole.group)


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i8", "|b1", "|u1"])
def test_a_row_of_a_tensor_keeps_its_inner_shape(dtype: str) -> None:
    data = np.arange(24).reshape(4, 3, 2).astype(dtype)
    whole = request({"inputs": data.tolist()}, Signature(tensors=(TensorSpec(None, dtype, (-1, 3, 2)),)))
    part = _row(whole, 2).value.parts[0]
    assert part.shape == (1, 3, 2)
    assert np.array_equal(np.frombuffer(part.data, dtype=part.dtype).reshape(part.shape), data[2:3])


def test_a_row_of_objects_keeps_all_of_its_items() -> None:
    specs = (TensorSpec("words", "|O", (-1, 2)), TensorSpec("n", "<i8", (-1,)))
    whole = request({"inputs": {"words": [["a", "b"], ["c", "d"]], "n": [1, 2]}}, Signature(tensors=specs))
    words, number = _row(whole, 1).value.parts
    assert (words.dtype, words.shape, orjson.loads(bytes(words.data))) == (JSON, (1, 2), ["c", "d"])
    assert (number.shape, np.frombuffer(number.data, dtype="<i8").tolist()) == ((1,), [2])


def test_a_row_keeps_the_params() -> None:
    whole = Bound(request({"inputs": {"x": [1.0], "s": [""], "b": [""]}}, FRAME).value, {"threshold": 0.5})
    assert _row(whole, 0).params == {"threshold": 0.5}


@pytest.mark.parametrize(
    ("answer", "rows"),
    [
        ([], 0),
        ([1, 2], 2),
        ({"a": [1, 2], "b": [3, 4]}, 2),
        ({"a": [1], "b": [3, 4]}, -1),
        ({}, -1),
        (3, -1),
        ("ab", -1),
    ],
)
def test_the_rows_of_an_answer_are_counted_where_it_has_rows(answer: Any, rows: int) -> None:
    assert _length(answer) == rows


def _same(one: Value, other: Value) -> bool:
    pairs = zip(one.parts, other.parts, strict=True)
    return all((a.name, a.dtype, a.shape, bytes(a.data)) == (b.name, b.dtype, b.shape, bytes(b.data)) for a, b in pairs)
