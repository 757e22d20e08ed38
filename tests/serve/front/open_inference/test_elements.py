"""The elements of a tensor, in binary form and in lists: what fits is numpy's, the rest is refused in a sentence."""

import contextlib
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serve.errors import InvalidInputs
from serve.front.open_inference import elements
from serve.front.open_inference.datatypes import BYTES, NUMBERS, OF_DTYPE


@given(st.sampled_from(sorted(NUMBERS.values())).flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes())))
def test_numbers_survive_the_binary_form_bit_by_bit(array: np.ndarray[Any, Any]) -> None:
    data = memoryview(elements.to_raw(array))
    back = elements.from_raw(OF_DTYPE[array.dtype.str], array.shape, data, "inputs[0]")
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(st.lists(st.binary(max_size=9), max_size=5))
def test_bytes_survive_the_binary_form(items: list[bytes]) -> None:
    array = elements.objects(items, (len(items),))
    back = elements.from_raw(BYTES, array.shape, memoryview(elements.to_raw(array)), "inputs[0]")
    assert back.tolist() == items


def test_texts_and_nulls_have_a_binary_form_too() -> None:
    array = elements.objects(["é", None], (2, 1))
    assert elements.to_raw(array) == b"\2\0\0\0\xc3\xa9\0\0\0\0"


@given(st.binary(max_size=40), st.integers(0, 4))
def test_a_broken_buffer_of_bytes_is_refused_and_never_bent(data: bytes, size: int) -> None:
    with contextlib.suppress(InvalidInputs):
        assert elements.to_raw(elements.from_raw(BYTES, (size,), memoryview(data), "inputs[0]")) == data


@pytest.mark.parametrize(
    ("datatype", "data", "expected"),
    [
        ("INT8", [[1, -128], [127, 0]], np.array([[1, -128], [127, 0]], "i1")),
        ("INT64", [2**63 - 1, -(2**63), 0, 1], np.array([[2**63 - 1, -(2**63)], [0, 1]], "i8")),
        ("UINT64", [2**64 - 1, 0, 1, 2], np.array([[2**64 - 1, 0], [1, 2]], "u8")),
        ("FP32", [1, 0.5, None, -2], np.array([[1, 0.5], [np.nan, -2]], "f4")),
        ("BOOL", [True, False, False, True], np.array([[True, False], [False, True]])),
        ("BYTES", ["a", "", "é", "d"], np.array([["a", ""], ["é", "d"]], object)),
        ("INT32", [[[1], [2]], [[3], [4]]], np.array([[1, 2], [3, 4]], "i4")),
    ],
)
def test_a_list_may_be_flat_or_nested_as_the_shape_says(
    datatype: str, data: list[Any], expected: np.ndarray[Any, Any]
) -> None:
    found = elements.from_list(datatype, (2, 2), data, "inputs[0]")
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_null_among_whole_numbers_is_none_and_left_to_the_signature() -> None:
    assert elements.from_list("INT64", (2,), [1, None], "inputs[0]").tolist() == [1, None]
    assert elements.from_list("BOOL", (2,), [None, True], "inputs[0]").tolist() == [None, True]


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "told"),
    [
        ("INT8", (1,), [300], "inputs[0].data holds a number outside the range of INT8"),
        ("UINT8", (1,), [-1], "inputs[0].data holds a number outside the range of UINT8"),
        ("FP32", (1,), [1e300], "inputs[0].data holds a number outside the range of FP32"),
        ("FP64", (1,), [10**400], "inputs[0].data holds a number outside the range of FP64"),
        ("INT32", (2,), [1, 1.5], "inputs[0].data[1] is a fraction; INT32 takes whole numbers"),
        ("INT32", (2,), [1, True], "inputs[0].data[1] is a boolean; INT32 takes whole numbers"),
        ("FP64", (2, 2), [[1, 2], [3, "4"]], "inputs[0].data[1][1] is a string; FP64 takes numbers"),
        ("BOOL", (1,), [1], "inputs[0].data[0] is a number; BOOL takes true and false"),
        ("BYTES", (1,), [{}], "inputs[0].data[0] is an object; BYTES takes strings"),
        ("FP16", (1,), [1], "inputs[0] is of datatype FP16, which only binary data can carry"),
        ("FP32", (3,), [1, 2], "inputs[0] has 2 elements of data; its shape takes 3"),
        ("FP32", (2, 3), [[1, 2], [3, 4], [5, 6]], "inputs[0].data is nested as [3, 2], and its shape is [2, 3]"),
        ("FP32", (3,), [[1], [2, 3]], "inputs[0].data must be a flat list, or nested in lists of equal lengths"),
        ("FP32", (2,), [1, [2]], "inputs[0].data must be a flat list, or nested in lists of equal lengths"),
        ("FP32", (1,), 3, "inputs[0].data must be a list, not a number"),
        ("FP32", (-1,), [1], "inputs[0].shape must be at most 32 whole numbers, none of them negative"),
        ("FP32", (1,) * 33, [1], "inputs[0].shape must be at most 32 whole numbers, none of them negative"),
        ("FP32", (2**62, 2**62), [1], "inputs[0].shape is of more elements than any body holds"),
        ("FP32", (0, 2**62), [], "inputs[0].shape is of more elements than any body holds"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_with_its_place(
    datatype: str, shape: tuple[int, ...], data: Any, told: str
) -> None:
    with pytest.raises(InvalidInputs) as refused:
        elements.from_list(datatype, shape, data, "inputs[0]")
    assert refused.value.message == told


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "told"),
    [
        ("FP32", (2,), b"\0" * 7, "inputs[0] has 7 bytes of data; its shape and datatype take 8"),
        ("FP32", (2,), b"\0" * 9, "inputs[0] has 9 bytes of data; its shape and datatype take 8"),
        ("INT64", (2**40, 2**40), b"", "inputs[0].shape is of more elements than any body holds"),
        ("BOOL", (2,), b"\0\2", "inputs[0] holds a byte that is neither 0 nor 1, as BOOL is written"),
        ("BYTES", (1,), b"\1\0\0", "inputs[0] ends in the middle of element 0"),
        ("BYTES", (2,), struct.pack("<I", 1) + b"a" + struct.pack("<I", 2**32 - 1), "ends in the middle of element 1"),
        ("BYTES", (2,), struct.pack("<I", 1) + b"a", "inputs[0] has 1 elements of data; its shape takes 2"),
    ],
)
def test_a_buffer_that_does_not_fit_is_refused_with_its_place(
    datatype: str, shape: tuple[int, ...], data: bytes, told: str
) -> None:
    with pytest.raises(InvalidInputs) as refused:
        elements.from_raw(datatype, shape, memoryview(data), "inputs[0]")
    assert refused.value.message.endswith(told)


def test_bf16_and_unknown_datatypes_are_refused_by_name() -> None:
    with pytest.raises(InvalidInputs, match="BF16, which is not read here: send FP32"):
        elements.require_known("BF16", "inputs[0]")
    with pytest.raises(InvalidInputs, match=r"inputs\[0\]\.datatype must be one of BOOL, .*FP64, BYTES"):
        elements.require_known("fp32", "inputs[0]")
