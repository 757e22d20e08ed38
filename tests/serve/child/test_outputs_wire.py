"""The shape in which a result crosses to the server: what v2 and the binary formats are written from."""

import datetime
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from serve.child.wire import BASE64, JSON, Value

NOON = datetime.datetime(2024, 5, 31, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("result", "kind", "dtypes"),
    [
        (np.array([1.0]), "array", ["<f8"]),
        (np.array([1.0], ">f4"), "array", ["<f4"]),
        (np.array(["a"]), "array", [JSON]),
        ({"a": np.array([1]), "b": np.array([True])}, "arrays", ["<i8", "|b1"]),
        ({}, "json", [JSON]),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), "frame", ["<f8", JSON]),
        (pd.DataFrame({"a": pd.array([1], dtype="Int64")}), "frame", ["<i8"]),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), "frame", [JSON]),
        ([1.0], "json", [JSON]),
        (np.array(["2024", "NaT"], "M8[Y]"), "array", ["<M8[D]"]),
        (np.array(["2024-05-31T12"], "M8[h]"), "array", ["<M8[us]"]),
        (np.array([5], ">M8[ns]"), "array", ["<M8[ns]"]),
        (np.array([5], "M8[ps]"), "array", [JSON]),
        (np.array(["20240-05-31"], "M8[D]"), "array", [JSON]),
        (pd.DataFrame({"a": pd.to_datetime([NOON])}), "frame", [JSON]),
        (np.array([b"a"]), "array", [BASE64]),
        (b"a", "array", [BASE64]),
        (bytearray(b"a"), "array", [BASE64]),
        (pd.DataFrame({"a": [b"a", None], "b": [b"a", "a"]}), "frame", [BASE64, JSON]),
        (pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), "frame", ["<i8"]),
        ({"a": np.array(["x"]), "b": torch.tensor([0.5]), "c": pd.Series([True])}, "arrays", [JSON, "<f4", "|b1"]),
        ({"a": np.array([1]), "b": [1]}, "json", [JSON]),
        (np.ma.array([1], mask=[1]), "array", [JSON]),
    ],
)
def test_numbers_and_dates_cross_as_they_are_and_all_else_as_json(
    outputs: ModuleType, result: Any, kind: str, dtypes: list[str]
) -> None:
    value: Value = outputs.to_value(result)
    assert (value.kind, [part.dtype for part in value.parts]) == (kind, dtypes)
    for part in value.parts:
        assert isinstance(part.data, bytes)


def test_items_of_an_array_that_cross_as_json_are_flat_and_keep_its_shape(outputs: ModuleType) -> None:
    (part,) = outputs.to_value(np.array([["a", "b"], ["c", None]], object)).parts
    assert (part.shape, bytes(part.data)) == ((2, 2), b'["a","b","c",null]')
