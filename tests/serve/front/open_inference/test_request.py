"""Tensors against signatures: what the model is given is what the caller meant, or the caller is told why not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from serve.errors import InvalidInputs, MalformedRequest, ServeError
from serve.front.open_inference import request
from serve.front.open_inference.elements import objects, to_raw
from serve.front.open_inference.request import Request, Wanted
from serve.front.open_inference.tensor import Tensor
from serve.signature.binding import Bound
from serve.signature.spec import AnyType, ArrayType, Column, ObjectType, Param, Property, Signature
from tests.serve.front.open_inference.conftest import Model
from tests.serve.front.open_inference.signatures import columns, tensors

POINT = ObjectType((Property("x", "long", True),))


def one(name: str, datatype: str, shape: list[int], data: Any, content_type: str | None = None) -> Tensor:
    return Tensor("inputs[0]", name, datatype, tuple(shape), content_type, data)


def raw(*items: bytes) -> memoryview:
    return memoryview(to_raw(objects(items, (len(items),))))


def bound(signature: Signature, *inputs: Tensor, wanted: Wanted | None = None, **parameters: Any) -> Bound:
    return request.bind(Request(inputs, parameters, wanted or Wanted()), signature)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_a_column_comes_as_a_row_of_values_or_as_a_column_of_them(model: Model, shape: list[int]) -> None:
    signature = columns(x="double", n="long")
    frame = model.given(bound(signature, one("n", "INT64", shape, [1, 2]), one("x", "FP64", shape, [0.5, 1.5])))
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"x": [0.5, 1.5], "n": [1, 2]}))


@pytest.mark.parametrize(
    ("type_", "tensor", "expected"),
    [
        ("string", one("x", "BYTES", [2], ["é", ""]), ["é", ""]),
        ("string", one("x", "BYTES", [2], raw("é".encode(), b"")), ["é", ""]),
        ("string", one("x", "BYTES", [2], [b"a", b"b"], "str"), ["a", "b"]),
        ("binary", one("x", "BYTES", [2], ["AAE=", ""]), [b"\0\1", b""]),
        ("binary", one("x", "BYTES", [2], raw(b"\0\1", b"")), [b"\0\1", b""]),
        ("binary", one("x", "BYTES", [2], [b"\0\1", b""]), [b"\0\1", b""]),
        ("binary", one("x", "BYTES", [2], raw(b"AAE=", b""), "base64"), [b"\0\1", b""]),
        (ArrayType("double"), one("x", "BYTES", [2], ["[1.5]", "[]"]), [[1.5], []]),
        (ArrayType("double"), one("x", "BYTES", [2], raw(b"[1.5]", b"[]"), "json"), [[1.5], []]),
        (ArrayType("double"), one("x", "FP64", [2, 2], [1.0, 2.0, 3.0, 4.0]), [[1.0, 2.0], [3.0, 4.0]]),
        (POINT, one("x", "BYTES", [1], ['{"x": 1}']), [{"x": 1}]),
        (AnyType(), one("x", "BYTES", [2], ["[1]", '"5"']), [[1], "5"]),
        ("boolean", one("x", "BOOL", [2], [True, False]), [True, False]),
        ("double", one("x", "FP32", [2], [0.5, 1]), [0.5, 1.0]),
        ("long", one("x", "INT32", [2], [1, 2]), [1, 2]),
    ],
)
def test_what_bytes_hold_is_said_by_the_signature_or_the_content_type(
    model: Model, type_: Any, tensor: Tensor, expected: list[Any]
) -> None:
    assert model.given(bound(columns(x=type_), tensor))["x"].tolist() == expected


def test_dates_come_as_text(model: Model) -> None:
    frame = model.given(bound(columns(x="datetime"), one("x", "BYTES", [1, 1], raw(b"2024-05-31T12:00:00"))))
    assert frame["x"].tolist() == [pd.Timestamp("2024-05-31T12:00:00")]


def test_an_optional_column_may_be_left_out_or_hold_nulls(model: Model) -> None:
    signature = columns(**{"x": "double", "note?": "string"})
    assert list(model.given(bound(signature, one("x", "FP64", [1], [1.0])))) == ["x"]
    frame = model.given(bound(signature, one("x", "FP64", [1], [1.0]), one("note", "BYTES", [1], [None])))
    assert frame["note"].tolist() == [None]


@pytest.mark.parametrize("name", ["input-0", "whatever"])
def test_the_only_input_needs_no_name(model: Model, name: str) -> None:
    signature = tensors({None: ("f4", (-1, 2))})
    given = model.given(bound(signature, one(name, "FP32", [2, 2], [1, 2, 3, 4])))
    np.testing.assert_array_equal(given, np.array([[1, 2], [3, 4]], "f4"))


def test_inputs_without_names_go_by_their_numbers(model: Model) -> None:
    signature = Signature(columns=(Column(None, "double", True), Column(None, "string", True)))
    inputs = one("input-1", "BYTES", [1], ["a"]), one("input-0", "FP64", [1], [1.0])
    assert model.given(bound(signature, *inputs)).to_numpy().tolist() == [[1.0, "a"]]


@pytest.mark.parametrize(
    ("dtype", "tensor", "expected"),
    [
        ("c8", one("x", "FP32", [2, 2], [1, 2, 3, 4]), np.array([1 + 2j, 3 + 4j], "c8")),
        ("c16", one("x", "FP64", [1, 2], [0.5, -1]), np.array([0.5 - 1j], "c16")),
        ("m8[ns]", one("x", "INT64", [2], [1, -1]), np.array([1, -1], "m8[ns]")),
        ("longdouble", one("x", "FP64", [1], [0.5]), np.array([0.5], np.longdouble)),
        ("M8[ns]", one("x", "BYTES", [1], ["2024-05-31"]), np.array(["2024-05-31"], "M8[ns]")),
        ("U", one("x", "BYTES", [2], ["a", "ä"]), np.array(["a", "ä"])),
        ("S", one("x", "BYTES", [1], ["ä"]), np.array(["ä".encode()])),
        ("f2", one("x", "FP16", [1], memoryview(np.array([0.5], "f2").tobytes())), np.array([0.5], "f2")),
    ],
)
def test_dtypes_without_a_datatype_arrive_as_the_model_takes_them(
    model: Model, dtype: str, tensor: Tensor, expected: np.ndarray[Any, Any]
) -> None:
    given = model.given(bound(tensors({"x": (dtype, (-1,))}), tensor))["x"]
    assert given.dtype == expected.dtype
    np.testing.assert_array_equal(given, expected)


def test_models_with_type_hints_are_given_a_list_of_typed_values() -> None:
    hinted = Signature(columns=(Column(None, POINT, True),), type_hint=True)
    texts = Signature(columns=(Column(None, "string", True),), type_hint=True)
    (part,) = bound(hinted, one("input-0", "BYTES", [2, 1], ['{"x": 1}', '{"x": 2}'])).value.parts
    assert (part.name, b'[{"x":1},{"x":2}]' in bytes(part.data)) == ("inputs", True)
    (part,) = bound(texts, one("input-0", "BYTES", [1], raw(b'{"x": 1}'))).value.parts
    assert b'["{\\"x\\": 1}"]' in bytes(part.data)
    with pytest.raises(InvalidInputs, match="send them as one input"):
        bound(texts, one("a", "BYTES", [1], ["a"]), one("b", "BYTES", [1], ["b"]))


def test_without_a_signature_the_requests_content_type_says_what_the_model_is_given(model: Model) -> None:
    a, b = one("a", "FP64", [2, 1], [1, 2]), one("b", "INT64", [2, 1], [3, 4])
    assert model.given(bound(Signature(), a)).tolist() == [[1.0], [2.0]]
    assert model.given(bound(Signature(), a, content_type="np")).tolist() == [[1.0], [2.0]]
    assert {key: array.tolist() for key, array in model.given(bound(Signature(), a, b)).items()} == {
        "a": [[1.0], [2.0]],
        "b": [[3], [4]],
    }
    assert model.given(bound(Signature(), a, content_type="dict"))["a"].tolist() == [[1.0], [2.0]]
    expected = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    pd.testing.assert_frame_equal(model.given(bound(Signature(), a, b, content_type="pd")), expected)
    with pytest.raises(InvalidInputs, match="all inputs must be of one shape"):
        bound(Signature(), a, one("c", "FP64", [1, 2], [1, 2]), content_type="pd")


@pytest.mark.parametrize("content_type", ["pd", "np", "dict"])
def test_a_signature_knows_better_than_the_requests_content_type(model: Model, content_type: str) -> None:
    given = model.given(bound(columns(x="double"), one("x", "FP64", [1], [1.0], "np"), content_type=content_type))
    pd.testing.assert_frame_equal(given, pd.DataFrame({"x": [1.0]}))


def test_parameters_are_the_models_params_but_for_the_protocols_own() -> None:
    params = Param("times", "long", 1, None), Param("stops", "string", [], (-1,)), Param("point", POINT, {}, None)
    signature = columns(x="double", params=params)
    x = one("x", "FP64", [1], [1.0])
    told = bound(signature, x, times=3, priority=1, timeout=5, sequence_id=7, triton_x=1, binary_data_output=True)
    assert told.params == {"times": 3, "stops": [], "point": {}}
    told = bound(signature, x, stops='["a", "b"]', point='{"x": 1}')
    assert told.params == {"times": 1, "stops": ["a", "b"], "point": {"x": 1}}
    assert bound(signature, x, stops=["a"]).params["stops"] == ["a"]


X = one("x", "FP64", [1], [1.0])


@pytest.mark.parametrize(
    ("signature", "inputs", "parameters", "told"),
    [
        (columns(x="double"), [X, X], {}, "inputs[0].name is also that of another input"),
        (columns(x="double", y="double"), [X], {}, "inputs lacks 'y'"),
        (columns(x="double"), [X, one("z", "FP64", [1], [1.0])], {}, "inputs holds 'z'"),
        (columns(x="double"), [one("x", "FP64", [1, 2], [1.0, 2.0])], {}, "a column has shape [N] or [N, 1]"),
        (columns(x="double"), [one("x", "FP64", [0], [])], {}, "inputs holds no rows"),
        (columns(x="double"), [X], {"nope": 1}, "the model has no param 'nope'"),
        (columns(x="long"), [X], {}, "is of type float64, which is not safely long: send int64"),
        (columns(x="string"), [one("x", "BYTES", [1], raw(b"\xff"))], {}, "inputs[0].data[0] is not UTF-8"),
        (columns(x="binary"), [one("x", "BYTES", [1], ["!"])], {}, "inputs[0].data[0] is no base64"),
        (columns(x="string"), [one("x", "BYTES", [1], ["a"], "pd_json")], {}, "must be one of str, base64, datetime"),
        (columns(x=POINT), [one("x", "BYTES", [1], ["{"])], {}, "inputs.x[0] is a string"),
        (tensors({None: ("f4", (-1, 2))}), [X], {}, "inputs has shape [1]; the model takes [-1, 2]"),
        (tensors({None: ("f4", (-1,))}), [X], {}, "inputs is of type float64; the model takes float32"),
        (Signature(), [one("x", "BYTES", [1], ["{"], "json")], {}, "inputs[0].data[0] is no JSON text"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(
    signature: Signature, inputs: list[Tensor], parameters: dict[str, Any], told: str
) -> None:
    with pytest.raises(ServeError) as refused:
        bound(signature, *inputs, **parameters)
    assert told in refused.value.message


def test_outputs_that_the_signature_does_not_promise_are_refused_before_the_model_is_asked() -> None:
    signature = columns(x="double", outputs=columns(y="double", z="long"))
    assert bound(signature, X, wanted=Wanted(outputs=("z", "output-0"))).note.outputs == ("z", "output-0")
    with pytest.raises(InvalidInputs, match=r"the model has no output 'x'; it has y, z"):
        bound(signature, X, wanted=Wanted(outputs=("y", "x")))


def test_what_only_other_servers_can_do_is_named() -> None:
    with pytest.raises(MalformedRequest, match=r"inputs\[0\]\.parameters\.shared_memory_region: shared memory is not"):
        request.require_supported({"shared_memory_region": "r"}, "inputs[0]")


@pytest.mark.parametrize(("timeout", "seconds"), [(1, 1e-6), (250_000, 0.25), (0, None), (None, None)])
def test_how_long_a_caller_waits_is_told_in_microseconds(timeout: int | None, seconds: float | None) -> None:
    given = {} if timeout is None else {"timeout": timeout}
    assert bound(columns(x="double"), one("x", "FP64", [1], [0.5]), **given).timeout_seconds == seconds


@pytest.mark.parametrize("timeout", [-1, 0.5, "1", True, [1]])
def test_a_timeout_that_is_no_such_number_is_refused(timeout: Any) -> None:
    with pytest.raises(MalformedRequest, match=r"parameters\.timeout must be a whole number of microseconds"):
        bound(columns(x="double"), one("x", "FP64", [1], [0.5]), timeout=timeout)
