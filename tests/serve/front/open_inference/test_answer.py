"""Whatever a model returns has one form in the protocol, in JSON and in binary."""

import datetime
import math
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from serve.errors import InvalidInputs
from serve.front.open_inference.answer import outputs
from serve.front.open_inference.body import written
from serve.front.open_inference.request import Wanted
from serve.signature.spec import AnyType, Column, Signature, TensorSpec
from tests.serve.child.conftest import child_module

Tensors = list[tuple[str, str, list[int], Any, str | None]]

_outputs: ModuleType = child_module("outputs")


def listed(result: Any, signature: Signature | None = None, wanted: Wanted | None = None) -> Tensors:
    """The tensors of a JSON answer to a model's result: name, datatype, shape, data, content type."""
    asked = wanted or Wanted()
    body, length = written(outputs(_outputs.to_value(result), signature or Signature(), asked), asked, "m", "v")
    assert length is None
    return [
        (one["name"], one["datatype"], one["shape"], one["data"], one.get("parameters", {}).get("content_type"))
        for one in orjson.loads(body)["outputs"]
    ]


def promised(*fields: Column | TensorSpec) -> Signature:
    return Signature(outputs=fields)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (np.array([[1, 2], [3, 4]], "i2"), [("output-0", "INT16", [2, 2], [1, 2, 3, 4], None)]),
        (np.array([1.5, np.nan, np.inf], "f4"), [("output-0", "FP32", [3], [1.5, None, None], None)]),
        (np.array([1.5, 2], "f2"), [("output-0", "FP32", [2], [1.5, 2.0], None)]),
        (np.array([True, False]), [("output-0", "BOOL", [2], [True, False], None)]),
        (np.array(3.5), [("output-0", "FP64", [1], [3.5], None)]),
        (np.zeros((2, 0)), [("output-0", "FP64", [2, 0], [], None)]),
        (np.array([[1, 2], [3, 4]], "i8").T, [("output-0", "INT64", [2, 2], [1, 3, 2, 4], None)]),
        (np.array(["a", "é"]), [("output-0", "BYTES", [2], ["a", "é"], "str")]),
        (np.array([b"\0\1"]), [("output-0", "BYTES", [1], ["AAE="], "base64")]),
        (
            np.array(["2024-05-31T12:00", "NaT"], "M8[ns]"),
            [("output-0", "BYTES", [2], ["2024-05-31T12:00:00", None], "datetime")],
        ),
        (
            {"a": np.array([1], "u1"), "b": np.array([["x"]])},
            [("a", "UINT8", [1], [1], None), ("b", "BYTES", [1, 1], ["x"], "str")],
        ),
        (
            pd.DataFrame({"n": [1, 2], "s": ["a", None], "o": [{"k": 1}, [2]]}),
            [
                ("n", "INT64", [2, 1], [1, 2], None),
                ("s", "BYTES", [2, 1], ["a", None], "str"),
                ("o", "BYTES", [2, 1], ['{"k":1}', "[2]"], "json"),
            ],
        ),
        (pd.DataFrame({"n": pd.array([1, None], "Int64")}), [("n", "FP64", [2, 1], [1.0, None], None)]),
        (pd.DataFrame({"b": pd.array([True, None], "boolean")}), [("b", "BYTES", [2, 1], ["true", "null"], "json")]),
        (pd.DataFrame({"b": [b"\0\1", None]}), [("b", "BYTES", [2, 1], ["AAE=", None], "base64")]),
        (pd.DataFrame({"d": [datetime.date(2024, 5, 31)]}), [("d", "BYTES", [1, 1], ["2024-05-31"], "str")]),
        (pd.Series([1.0, 2.0], name="y"), [("y", "FP64", [2, 1], [1.0, 2.0], None)]),
        ([1, 2], [("output-0", "INT64", [2], [1, 2], None)]),
        ([[1, 2.5], [3, None]], [("output-0", "FP64", [2, 2], [1.0, 2.5, 3.0, None], None)]),
        ([True, False], [("output-0", "BOOL", [2], [True, False], None)]),
        ([["a", "b"]], [("output-0", "BYTES", [1, 2], ["a", "b"], "str")]),
        ([[1], [2, 3]], [("output-0", "BYTES", [2], ["[1]", "[2,3]"], "json")]),
        ([1, "a"], [("output-0", "BYTES", [2], ["1", '"a"'], "json")]),
        ([[1, "a"], [2, "b"]], [("output-0", "BYTES", [2], ['[1,"a"]', '[2,"b"]'], "json")]),
        ([{"k": 1}], [("output-0", "BYTES", [1], ['{"k":1}'], "json")]),
        ([2**53 + 1, None], [("output-0", "BYTES", [2], [str(2**53 + 1), "null"], "json")]),
        ([], [("output-0", "BYTES", [0], [], "str")]),
        ("text", [("output-0", "BYTES", [1], ["text"], "str")]),
        (None, [("output-0", "BYTES", [1], ["null"], "json")]),
        (0, [("output-0", "INT64", [1], [0], None)]),
        (False, [("output-0", "BOOL", [1], [False], None)]),
        (math.nan, [("output-0", "BYTES", [1], ["null"], "json")]),
        ({}, [("output-0", "BYTES", [1], ["{}"], "json")]),
        (
            {"label": ["a"], "score": 0.5, "more": {"k": [1]}},
            [
                ("label", "BYTES", [1], ["a"], "str"),
                ("score", "FP64", [1], [0.5], None),
                ("more", "BYTES", [1], ['{"k":[1]}'], "json"),
            ],
        ),
    ],
)
def test_every_result_has_a_form(result: Any, expected: Tensors) -> None:
    assert listed(result) == expected


@pytest.mark.parametrize(
    ("result", "signature", "expected"),
    [
        (np.array([1.0]), promised(TensorSpec("y", "<f8", (-1,))), [("y", "FP64", [1], [1.0], None)]),
        (np.array([1.0]), promised(Column(None, "double", True)), [("output-0", "FP64", [1], [1.0], None)]),
        (pd.Series([1.0]), promised(Column(None, "double", True)), [("output-0", "FP64", [1, 1], [1.0], None)]),
        (["2024-05-31"], promised(Column("d", "datetime", True)), [("d", "BYTES", [1], ["2024-05-31"], "datetime")]),
        (["AAE="], promised(Column("b", "binary", True)), [("b", "BYTES", [1], ["AAE="], "base64")]),
        (["not base64!"], promised(Column("b", "binary", True)), [("b", "BYTES", [1], ["not base64!"], "str")]),
        ([[1, 2]], promised(Column(None, AnyType(), True)), [("output-0", "BYTES", [1], ["[1,2]"], "json")]),
        (["a"], promised(Column(None, AnyType(), True)), [("output-0", "BYTES", [1], ['"a"'], "json")]),
    ],
)
def test_the_signature_names_outputs_and_says_what_texts_are(
    result: Any, signature: Signature, expected: Tensors
) -> None:
    assert listed(result, signature) == expected


def test_only_the_outputs_asked_for_are_answered_in_the_order_asked() -> None:
    result = {"a": np.array([1]), "b": np.array([2]), "c": np.array([3])}
    assert [one[0] for one in listed(result, wanted=Wanted(outputs=("c", "a")))] == ["c", "a"]
    with pytest.raises(InvalidInputs, match="the model has no output 'x'; it has a, b, c"):
        listed(result, wanted=Wanted(outputs=("a", "x")))


def test_binary_outputs_are_exact_and_follow_the_json_in_its_order() -> None:
    wanted = Wanted(id="7", binary=True, exceptions={"n": False})
    frame = pd.DataFrame({"f": np.array([np.nan, -np.inf], "f4"), "n": [1, 2], "s": ["é", None], "b": [b"\0", b""]})
    body, length = written(outputs(_outputs.to_value(frame), Signature(), wanted), wanted, "m", "v")
    head = orjson.loads(body[:length])
    assert head == {
        "id": "7",
        "model_name": "m",
        "model_version": "v",
        "outputs": [
            {"name": "f", "datatype": "FP32", "shape": [2, 1], "parameters": {"binary_data_size": 8}},
            {"name": "n", "datatype": "INT64", "shape": [2, 1], "data": [1, 2]},
            {
                "name": "s",
                "datatype": "BYTES",
                "shape": [2, 1],
                "parameters": {"binary_data_size": 10, "content_type": "str"},
            },
            {"name": "b", "datatype": "BYTES", "shape": [2, 1], "parameters": {"binary_data_size": 9}},
        ],
    }
    floats = np.array([np.nan, -np.inf], "<f4").tobytes()
    assert body[length:] == floats + b"\2\0\0\0\xc3\xa9\0\0\0\0" + b"\1\0\0\0\0\0\0\0\0"


def test_fp16_is_itself_in_binary() -> None:
    wanted = Wanted(binary=True)
    body, length = written(outputs(_outputs.to_value(np.array([0.5], "f2")), Signature(), wanted), wanted, "m", "v")
    assert orjson.loads(body[:length])["outputs"][0]["datatype"] == "FP16"
    assert body[length:] == np.array([0.5], "<f2").tobytes()
