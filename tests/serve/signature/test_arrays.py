import datetime
from typing import Any

import numpy as np
import pytest

from serve.child.wire import BASE64, JSON
from serve.errors import InvalidInputs
from serve.signature.binding import bind_arrays
from serve.signature.spec import ArrayType, Column, Param, Signature, TensorSpec, Type
from tests.serve.signature.reading import array, items

PAIR = Signature(tensors=(TensorSpec("a", "<f4", (-1,)), TensorSpec("b", "<i8", (-1, 2))))
IMAGE = Signature(tensors=(TensorSpec(None, "<f4", (-1, 2)),))


def column(type_: Type, *, required: bool = True) -> Signature:
    return Signature(columns=(Column("x", type_, required),))


def bound(signature: Signature, **named: Any) -> Any:
    return bind_arrays(named, {}, signature, "inputs").value


def told(signature: Signature, named: dict[str | None, Any]) -> str:
    with pytest.raises(InvalidInputs) as caught:
        bind_arrays(named, {}, signature, "inputs")
    return caught.value.message


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
@pytest.mark.parametrize(
    ("type_", "dtype", "cast"),
    [
        ("boolean", "?", "|b1"),
        ("integer", "<i4", "<i4"),
        ("integer", "<i2", "<i4"),
        ("integer", "|u1", "<i4"),
        ("long", "<i4", "<i8"),
        ("long", ">i8", "<i8"),
        ("long", "<u4", "<i8"),
        ("float", "<f2", "<f4"),
        ("double", "<f4", "<f8"),
        ("double", "<i4", "<f8"),
        ("double", "<u2", "<f8"),
        ("double", "<i8", "<f8"),
        ("float", "<i8", "<f4"),
        ("datetime", "<M8[s]", "<M8[ns]"),
    ],
)
def test_a_column_takes_what_mlflow_casts_safely(type_: str, dtype: str, cast: str, shape: tuple[int, ...]) -> None:
    part = bound(column(type_), x=np.array([0, 1]).astype(dtype).reshape(shape)).parts[0]
    assert (part.name, part.dtype, part.shape) == ("x", cast, (2,))
    assert array(part).astype("i8").tolist() == [0, 1 if type_ != "datetime" else 10**9]


@pytest.mark.parametrize(
    ("type_", "dtype", "sends"),
    [
        ("integer", "<i8", "int32"),
        ("integer", "<u4", "int32"),
        ("long", "<u8", "int64"),
        ("long", "<f8", "int64"),
        ("float", "<f8", "float32"),
        ("float", "<i4", "float32"),
        ("double", "<i8", "float64"),
        ("boolean", "<i8", "bool"),
        ("string", "<i8", "text"),
        ("datetime", "<i8", "datetime64[ns]"),
    ],
)
def test_what_is_not_safe_is_refused_and_the_right_dtype_is_named(type_: str, dtype: str, sends: str) -> None:
    sentence = told(column(type_), {"x": np.array([2], dtype)})
    assert sentence == f"inputs.x is of type {np.dtype(dtype).name}, which is not safely {type_}: send {sends}"


@pytest.mark.parametrize(
    ("type_", "given", "dtype", "read"),
    [
        ("string", ["a", b"\xc3\xbc", None], JSON, ["a", "ü", None]),
        ("binary", [b"\x00", "AA=="], BASE64, ["AA==", "AA=="]),
        ("double", [1, None, 2.5], "<f8", [1.0, None, 2.5]),
        ("boolean", [True, False], "|b1", [True, False]),
        ("long", [1, 2], "<i8", [1, 2]),
        ("datetime", ["2024-05-31", b"2024-06-01"], "<M8[ns]", None),
        (ArrayType("long"), [[1, 2], b"[3]", "[]"], JSON, [[1, 2], [3], []]),
    ],
)
def test_objects_are_read_by_the_rules_of_json(type_: Type, given: list[Any], dtype: str, read: Any) -> None:
    objects = np.empty(len(given), dtype=object)
    objects[:] = given
    part = bound(column(type_), x=objects).parts[0]
    assert part.dtype == dtype
    if read is not None:
        found = items(part)
        assert [None if item != item else item for item in found] == read


def test_a_column_of_lists_may_come_as_rows_of_numbers() -> None:
    part = bound(column(ArrayType("double")), x=np.array([[1.5, 2.5], [3.5, 4.5]])).parts[0]
    assert items(part) == [[1.5, 2.5], [3.5, 4.5]]


def test_named_tensors_come_in_the_order_of_the_signature_with_their_very_dtypes() -> None:
    value = bound(PAIR, b=np.array([[1, 2]], ">i8"), a=np.array([1.5], "<f4"))
    assert [(part.name, part.dtype, items(part)) for part in value.parts] == [
        ("a", "<f4", [1.5]),
        ("b", "<i8", [[1, 2]]),
    ]


@pytest.mark.parametrize("name", [None, "input-0", "whatever"])
def test_the_only_unnamed_input_takes_an_array_of_any_name(name: str | None) -> None:
    turned = np.asfortranarray(np.array([[1, 2], [3, 4]], "<f4"))
    assert items(bind_arrays({name: turned}, {}, IMAGE, "inputs").value.parts[0]) == [[1, 2], [3, 4]]


def test_texts_and_dates_fill_tensors() -> None:
    words = np.array([["a", b"bc"]], dtype=object)
    assert items(bound(Signature(tensors=(TensorSpec("x", "<U0", (-1, 2)),)), x=words).parts[0]) == [["a", "bc"]]
    assert items(bound(Signature(tensors=(TensorSpec("x", "|O", (-1, 2)),)), x=words).parts[0]) == ["a", "bc"]
    days = np.array(["2024-05-31"], dtype=object)
    assert bound(Signature(tensors=(TensorSpec("x", "<M8[ns]", (-1,)),)), x=days).parts[0].dtype == "<M8[ns]"


@pytest.mark.parametrize(
    ("signature", "named", "sentence"),
    [
        (PAIR, {"a": np.zeros(1, "f4")}, "inputs lacks 'b'; the model takes a, b"),
        (PAIR, {"a": 0, "b": 0, "c": 0}, "inputs holds 'c', and the model takes a, b"),
        (IMAGE, {"x": np.zeros((1, 2))}, "inputs is of type float64; the model takes float32"),
        (IMAGE, {"x": np.zeros((1, 3), "f4")}, "inputs has shape [1, 3]; the model takes [-1, 2] (-1: any length)"),
        (column("double"), {"x": np.zeros((2, 3))}, "inputs.x has shape [2, 3]; a column has shape [N] or [N, 1]"),
        (column("double"), {"y": np.zeros(2)}, "inputs lacks 'x'; the model takes x"),
        (column("double"), {"x": np.zeros(0)}, "inputs holds no rows"),
        (column("double"), {"x": np.array(["a"], object)}, "inputs.x[0] is a string; the model takes double there"),
        (column("string"), {"x": np.array([b"\xff"], object)}, "inputs.x[0] is bytes; the model takes string there"),
        (
            Signature(columns=(Column("x", "double", True), Column("y", "double", True))),
            {"x": np.zeros(2), "y": np.zeros(3)},
            "inputs must hold columns of the same number of rows",
        ),
    ],
)
def test_what_does_not_fit_is_refused(signature: Signature, named: dict[str | None, Any], sentence: str) -> None:
    assert told(signature, named) == sentence


def test_an_optional_column_may_be_left_out() -> None:
    signature = Signature(columns=(Column("x", "double", True), Column("y", "double", False)))
    assert [part.name for part in bound(signature, x=np.zeros(1)).parts] == ["x"]


def test_without_a_signature_columns_are_a_frame_and_other_arrays_are_arrays() -> None:
    assert bound(Signature(), x=np.zeros(2), y=np.array(["a", "b"], object)).kind == "frame"
    assert bound(Signature(), x=np.zeros(2), y=np.zeros((2, 2))).kind == "arrays"
    assert bind_arrays({None: np.zeros(2)}, {}, Signature(), "body").value.kind == "array"


def test_params_are_bound_too() -> None:
    signature = Signature(tensors=IMAGE.tensors, params=(Param("k", "double", 0.5, None),))
    assert bind_arrays({None: np.zeros((1, 2), "f4")}, {"k": 1}, signature, "inputs").params == {"k": 1.0}


def test_dates_as_python_objects_are_told_apart_from_text() -> None:
    days = np.array([datetime.date(2024, 5, 31)], dtype=object)
    assert "is a date" in told(column("string"), {"x": days})
