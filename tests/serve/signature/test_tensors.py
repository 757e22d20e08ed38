from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child import wire
from serve.errors import InvalidInputs
from serve.signature.payload import Payload
from serve.signature.spec import TensorSpec
from serve.signature.tensors import bind, numbers, raw
from tests.serve.signature.reading import array, items

PIXELS = TensorSpec(None, "<f4", (-1, 2))


def one(dtype: str, *shape: int) -> TensorSpec:
    return TensorSpec(None, np.dtype(dtype).str, shape)


def bound(spec: TensorSpec, data: Any) -> wire.Part:
    value = bind(Payload("inputs", data), [spec])[0]
    assert value.kind == "array"
    return value.parts[0]


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_nested_lists_become_one_array_of_the_models_dtype(form: str) -> None:
    value = bind(Payload(form, [[1, 2.5], [3, 4]]), [PIXELS])[0]
    assert (value.kind, value.rows) == ("array", 2)
    assert value.parts[0].dtype == "<f4"
    assert array(value.parts[0]).tolist() == [[1.0, 2.5], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("spec", "data", "read"),
    [
        (one("<f8", -1), [1, 2.5], [1.0, 2.5]),
        (one("<f4", -1), [2**63], [2.0**63]),
        (one("<f4", -1), [True, False], [1.0, 0.0]),
        (one("<f2", -1), [65504], [65504.0]),
        (one("<i8", -1), [2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
        (one("<u8", -1), [2**64 - 1], [2**64 - 1]),
        (one("<u8", -1, 2), [[1, 2**64 - 1]], [[1, 2**64 - 1]]),
        (one("|u1", -1), [0, 255], [0, 255]),
        (one("|i1", -1), [-128, 127], [-128, 127]),
        (one("|b1", -1), [True, False], [True, False]),
        (one("<c16", -1), [1, 2.5], [1 + 0j, 2.5 + 0j]),
        (one("<U0", -1), ["a", "", "Grüße"], ["a", "", "Grüße"]),
        (one("<U0", -1, 1), [["a"], ["bc"]], [["a"], ["bc"]]),
        (one("|S0", -1), ["a", "ü"], [b"a", "ü".encode()]),
        (one("<f4"), 5, 5.0),
        (one("<f4", 2, 1, 3), [[[1, 2, 3]], [[4, 5, 6]]], [[[1, 2, 3]], [[4, 5, 6]]]),
        (one("<f4", -1), [], []),
        (one("<i8", -1), [], []),
        (one("<U0", -1), [], []),
        (one("<f4", -1, 0), [[], []], [[], []]),
    ],
)
def test_each_dtype_takes_what_it_can_hold(spec: TensorSpec, data: Any, read: Any) -> None:
    part = bound(spec, data)
    assert items(part) == read
    assert part.shape == np.asarray(read).shape


def test_null_among_floats_of_any_size_is_nan() -> None:
    assert np.isnan(array(bound(one("<f8", -1), [2.0**1023, None]))).tolist() == [False, True]


def test_dates_become_nanoseconds() -> None:
    part = bound(one("<M8[ns]", -1, 1), [["2024-05-31"], ["2024-05-31T12:00:00Z"]])
    assert part.dtype == "<M8[ns]"
    assert array(part).astype(str).tolist() == [["2024-05-31T00:00:00.000000000"], ["2024-05-31T12:00:00.000000000"]]


@pytest.mark.parametrize("data", [[["a", "b"], ["c", "d"]], [[1, 2], [3, 4]]])
def test_a_tensor_of_objects_keeps_its_shape_and_travels_item_by_item(data: Any) -> None:
    part = bound(one("|O", -1, 2), data)
    assert (part.dtype, part.shape) == (wire.JSON, (2, 2))
    assert items(part) == [*data[0], *data[1]]


@pytest.mark.parametrize(
    ("spec", "data", "told"),
    [
        (PIXELS, [[1, 2], [3]], "inputs is ragged: its rows must all have the same lengths"),
        (PIXELS, [1, 2], "inputs has shape [2]; the model takes [-1, 2] (-1: any length)"),
        (PIXELS, [[1, 2, 3]], "inputs has shape [1, 3]; the model takes [-1, 2] (-1: any length)"),
        (PIXELS, 5, "inputs has shape []; the model takes [-1, 2] (-1: any length)"),
        (PIXELS, [["a", "b"]], "inputs must hold values of type float32, not strings"),
        (PIXELS, [[1, "b"]], "inputs must hold values of type float32, not strings"),
        (PIXELS, [[1, {}]], "inputs must hold numbers in lists of equal length, and holds an object"),
        (PIXELS, None, "inputs is null; the model takes an array there"),
        (one("<i8", -1), [1, None], "inputs must hold numbers in lists of equal length, and holds null"),
        (PIXELS, {"a": 1}, "inputs must hold numbers in lists of equal length, and holds an object"),
        (PIXELS, [[10**400, 1]], "inputs must hold numbers in lists of equal length, and holds huge integers"),
        (PIXELS, [[1e300, 1]], "inputs holds a number outside the range of float32"),
        (one("<f2", -1), [70000], "inputs holds a number outside the range of float16"),
        (one("<i8", -1), [1.5], "inputs must hold values of type int64, not fractions"),
        (one("<i8", -1), [True], "inputs must hold values of type int64, not booleans"),
        (one("<i8", -1), [2**63], "inputs holds a number outside the range of int64"),
        (one("|u1", -1), [256], "inputs holds a number outside the range of uint8"),
        (one("|u1", -1), [-1], "inputs holds a number outside the range of uint8"),
        (one("<u8", -1), [2**63, -1], "inputs must hold values of type uint64, not fractions"),
        (one("|u1", -1), [2**63, 1], "inputs holds a number outside the range of uint8"),
        (one("|b1", -1), [1], "inputs must hold values of type bool, not integers"),
        (one("<U0", -1), [1], "inputs must hold values of type str, not integers"),
        (one("<U0", -1), ["a", 1], "inputs must hold strings alone, and holds other values among them"),
        (one("<U0", -1), ["a", True], "inputs must hold strings alone, and holds other values among them"),
        (one("<M8[ns]", -1), ["2024-05-31", "noon"], "inputs[1] is no date of the years 1678 to 2261, as in 2024-"),
        (one("<M8[ns]", -1), [1], "inputs must hold values of type datetime64[ns], not integers"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_and_without_its_data(
    spec: TensorSpec, data: Any, told: str
) -> None:
    with pytest.raises(InvalidInputs) as caught:
        bound(spec, data)
    assert caught.value.message.startswith(told)


NAMED = [TensorSpec("a", "<f4", (-1,)), TensorSpec("b", "<i8", (-1, 2))]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(Payload("inputs", {"b": [[1, 2], [3, 4]], "a": [1, 2]}), id="tensor by tensor"),
        pytest.param(Payload("instances", [{"a": 1, "b": [1, 2]}, {"b": [3, 4], "a": 2}]), id="row by row"),
    ],
)
def test_named_tensors_come_in_the_order_of_the_signature(payload: Payload) -> None:
    value, alike = bind(payload, NAMED)
    assert alike
    assert (value.kind, value.rows) == ("arrays", 2)
    assert [(part.name, items(part)) for part in value.parts] == [("a", [1.0, 2.0]), ("b", [[1, 2], [3, 4]])]


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_the_only_tensor_need_not_be_named(form: str) -> None:
    value = bind(Payload(form, [1, 2]), NAMED[:1])[0]
    assert [(part.name, items(part)) for part in value.parts] == [("a", [1.0, 2.0])]


@pytest.mark.parametrize(
    ("form", "data", "told"),
    [
        ("inputs", [1], "inputs must be an object naming the tensors a, b, not a list"),
        ("inputs", None, "inputs must be an object naming the tensors a, b, not null"),
        ("inputs", {"a": [1]}, "inputs lacks the tensor 'b'; the model takes a, b"),
        ("inputs", {"a": [1], "b": [[1, 2]], "c": 1}, "the model has no tensor 'c'; it takes a, b"),
        ("inputs", {"a": ["x"], "b": [[1, 2]]}, "inputs.a must hold values of type float32, not strings"),
        ("instances", {"a": [1], "b": [[1, 2], [3, 4]]}, "instances must give every tensor the same number of rows"),
        ("instances", 5, "instances must be an object naming the tensors a, b, not a number"),
        ("instances", [1, 2], "instances must be an object naming the tensors a, b, not a list"),
        ("instances", [], "instances must be an object naming the tensors a, b, not a list"),
        ("instances", [{"a": 1, "b": [1, 2]}, {"a": 1}], "instances[1] does not name the same tensors as instances[0]"),
    ],
)
def test_named_tensors_that_are_not_the_models_are_refused(form: str, data: Any, told: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        bind(Payload(form, data), NAMED)
    assert caught.value.message == told


@pytest.mark.parametrize(
    ("data", "dtype"),
    [([[1, 2], [3, 4]], "<i8"), ([1.5], "<f8"), ([True], "|b1"), ([2**63], "<u8")],
)
def test_numbers_alone_become_an_array_by_themselves(data: Any, dtype: str) -> None:
    value = numbers(data)
    assert value is not None
    assert (value.kind, value.parts[0].dtype) == ("array", dtype)
    assert items(value.parts[0]) == data


@pytest.mark.parametrize("data", [["a", "b"], [[1], [1, 2]], [None], [{"a": 1}], {"a": [1]}, "text", 5, None, []])
def test_anything_else_does_not(data: Any) -> None:
    assert numbers(data) is None


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("dataframe_split", {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}),
        ("dataframe_split", {"data": [[1, 2], [3, 4]]}),
        ("dataframe_records", [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
    ],
)
def test_a_frame_is_one_tensor_of_its_columns(form: str, data: Any) -> None:
    value, alike = bind(Payload(form, data), [PIXELS])
    assert not alike  # MLflow reshapes frames in ways of its own
    assert items(value.parts[0]) == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("data", [{"columns": ["b", "a"], "data": [[[1, 2], 1], [[3, 4], 2]]}])
def test_a_frame_of_named_tensors_has_one_a_column(data: Any) -> None:
    value, _ = bind(Payload("dataframe_split", data), NAMED)
    assert [(part.name, items(part)) for part in value.parts] == [("a", [1.0, 2.0]), ("b", [[1, 2], [3, 4]])]


def test_null_among_floats_is_nan() -> None:
    assert np.isnan(array(bound(PIXELS, [[1, None]]))).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("spec", "data", "alike"),
    [
        (PIXELS, [[1, 2.5]], True),
        (PIXELS, [[2**60 + 1, 2.5]], False),
        (one("<f8", -1), [2**60 + 1], True),
        (one("<i8", -1), [1], True),
        (one("|b1", -1), [True], True),
        (one("<U0", -1), ["a"], False),
        (one("<M8[ns]", -1), ["2024-05-31"], False),
        (one("|O", -1), [1], False),
    ],
)
def test_mlflow_reads_numbers_alike_and_the_rest_its_own_way(spec: TensorSpec, data: Any, alike: bool) -> None:
    assert bind(Payload("inputs", data), [spec])[1] is alike


shapes = st.lists(st.integers(0, 4), min_size=0, max_size=3)
dtypes = st.sampled_from(
    ["|b1", "|i1", "|u1", "<i2", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<U3", "<M8[ns]"]
)


@given(shapes, dtypes)
def test_an_arrays_bytes_are_counted_in_bytes_whatever_its_dtype_and_shape(shape: list[int], dtype: str) -> None:
    whole = np.zeros(shape, dtype)
    assert len(raw(whole)) == whole.nbytes
    assert bytes(raw(whole)) == whole.tobytes()


def test_an_array_that_is_not_contiguous_gives_the_bytes_of_its_rows() -> None:
    turned = np.arange(6).reshape(2, 3).T
    assert bytes(raw(turned)) == turned.tobytes()
