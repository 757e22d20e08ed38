from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serve.child.wire import BASE64, JSON, Part, Value


def frame(*parts: Part) -> Value:
    return Value("frame", parts)


def text(name: str, data: bytes, rows: int, dtype: str = JSON) -> Part:
    return Part(name, dtype, (rows,), data)


def test_columns_of_text_have_the_dtype_that_pandas_gives_them_anywhere(inputs: ModuleType) -> None:
    one, other = frame(text("x", b'["a"]', 1)), frame(text("x", b'["b", "c"]', 2))
    found = inputs.given((one, other), None)
    pd.testing.assert_frame_equal(found, pd.DataFrame({"x": ["a", "b", "c"]}))


def test_base64_becomes_bytes_and_null_stays_null(inputs: ModuleType) -> None:
    found = inputs.given((frame(text("x", b'["AP8=", null]', 2, BASE64)),), None)
    assert found["x"].tolist() == [b"\0\xff", None]


def test_nested_items_stay_lists(inputs: ModuleType) -> None:
    found = inputs.given((frame(text("x", b"[[1, 2], [3]]", 2)),), None)
    assert found["x"].tolist() == [[1, 2], [3]]


def test_numbers_keep_their_dtype_and_the_frame_counts_its_rows_from_nought(inputs: ModuleType) -> None:
    part = Part("x", "<f4", (2,), np.array([1.5, 2.5], "<f4").tobytes())
    found = inputs.given((frame(part), frame(part)), None)
    assert (found["x"].dtype, list(found.index)) == (np.dtype("f4"), [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"[1]", b'["a"]'),
        (b"[1]", b"[1.5]"),
        (b'["a"]', b"[null]"),
        (b'["a", null]', b"[null]"),
        (b"[[1]]", b"[1]"),
    ],
)
def test_columns_that_pandas_would_read_otherwise_together_are_not_joined(
    inputs: ModuleType, one: bytes, other: bytes
) -> None:
    with pytest.raises(inputs.Unjoinable):
        inputs.given((frame(text("x", one, 1)), frame(text("x", other, 1))), None)


def test_an_array_of_objects_keeps_its_shape(inputs: ModuleType) -> None:
    found = inputs.given((Value("array", (Part(None, JSON, (1, 2), b'["a", [1]]'),)),), None)
    assert (found.shape, found.tolist()) == ((1, 2), [["a", [1]]])


def test_requests_are_read_one_by_one(inputs: ModuleType) -> None:
    request: Any = Value("request", (Part("inputs", JSON, (1,), b'{"inputs": [1]}'),))
    with pytest.raises(inputs.Unjoinable):
        inputs.given((request, request), None)


@pytest.mark.parametrize("rows", [(), (1, 2)], ids=["alone", "joined"])
@pytest.mark.parametrize("names", [("x",), ("x", "y")])
def test_a_block_is_the_frame_that_its_columns_one_by_one_would_be_and_a_model_may_write_to_it(
    inputs: ModuleType, names: tuple[str, ...], rows: tuple[int, ...]
) -> None:
    numbers = np.arange(3 * len(names), dtype="<f4").reshape(3, -1)
    block = Part(None, "<f4", numbers.shape, bytearray(numbers.tobytes()), names)
    parts = [Part(name, "<f4", (3,), bytearray(numbers[:, at].tobytes())) for at, name in enumerate(names)]
    found, expected = (inputs.given((value,), None, rows) for value in (frame(block), frame(*parts)))
    pd.testing.assert_frame_equal(found, expected)
    assert found.to_numpy().flags.f_contiguous == expected.to_numpy().flags.f_contiguous
    found.iloc[0, 0] = 5.0
    assert found.iloc[0, 0] == 5.0


def test_blocks_are_joined_by_rows(inputs: ModuleType) -> None:
    one, other = (frame(Part(None, "|u1", (rows, 2), bytes([rows]) * rows * 2, ("x", "y"))) for rows in (1, 2))
    pd.testing.assert_frame_equal(
        inputs.given((one, other), None), pd.DataFrame({"x": [1, 2, 2], "y": [1, 2, 2]}, dtype="u1")
    )


def test_entries_joined_are_given_to_a_model_as_its_own_and_a_lone_one_as_it_came(inputs: ModuleType) -> None:
    def written(rows: tuple[int, ...]) -> bytes:
        data = bytearray(b"ab")
        inputs.given((Value("array", (Part(None, "|u1", (2,), data),)),), None, rows)[:] = ord("z")
        return bytes(data)

    assert (written((1, 1)), written(())) == (b"ab", b"zz")
