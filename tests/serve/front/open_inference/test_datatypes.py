"""What a signature looks like in the protocol: a datatype for every type of MLflow and every dtype of numpy."""

import numpy as np
import pytest

from serve.front.open_inference.datatypes import described
from serve.signature.spec import AnyType, ArrayType, Column, MapType, ObjectType, TensorSpec, Type


@pytest.mark.parametrize(
    ("type_", "datatype", "content_type"),
    [
        ("boolean", "BOOL", None),
        ("integer", "INT32", None),
        ("long", "INT64", None),
        ("float", "FP32", None),
        ("double", "FP64", None),
        ("string", "BYTES", "str"),
        ("binary", "BYTES", "base64"),
        ("datetime", "BYTES", "datetime"),
        (ArrayType("double"), "BYTES", "json"),
        (ObjectType(()), "BYTES", "json"),
        (MapType("long"), "BYTES", "json"),
        (AnyType(), "BYTES", "json"),
    ],
)
def test_every_column_type_has_a_datatype_and_the_shape_of_a_column(
    type_: Type, datatype: str, content_type: str | None
) -> None:
    (one,) = described([Column("x", type_, True)], "input")
    assert (one.name, one.datatype, one.shape, one.content_type) == ("x", datatype, (-1, 1), content_type)


@pytest.mark.parametrize(
    ("dtype", "datatype", "shape", "content_type"),
    [
        ("?", "BOOL", (-1, 3), None),
        ("u1", "UINT8", (-1, 3), None),
        ("u2", "UINT16", (-1, 3), None),
        ("u4", "UINT32", (-1, 3), None),
        ("u8", "UINT64", (-1, 3), None),
        ("i1", "INT8", (-1, 3), None),
        ("i2", "INT16", (-1, 3), None),
        ("i4", "INT32", (-1, 3), None),
        ("i8", "INT64", (-1, 3), None),
        ("f2", "FP16", (-1, 3), None),
        ("f4", "FP32", (-1, 3), None),
        ("f8", "FP64", (-1, 3), None),
        ("longdouble", "FP64", (-1, 3), None),
        ("c8", "FP32", (-1, 3, 2), "complex"),
        ("c16", "FP64", (-1, 3, 2), "complex"),
        ("m8[ns]", "INT64", (-1, 3), "timedelta"),
        ("M8[ns]", "BYTES", (-1, 3), "datetime"),
        ("U", "BYTES", (-1, 3), "str"),
        ("S", "BYTES", (-1, 3), "str"),
        ("O", "BYTES", (-1, 3), "str"),
    ],
)
def test_every_dtype_has_a_datatype(
    dtype: str, datatype: str, shape: tuple[int, ...], content_type: str | None
) -> None:
    (one,) = described([TensorSpec("x", np.dtype(dtype).str, (-1, 3))], "input")
    assert (one.datatype, one.shape, one.content_type) == (datatype, shape, content_type)


def test_what_has_no_name_is_called_by_its_number() -> None:
    fields = [TensorSpec(None, "<f4", (-1,)), TensorSpec(None, "<f4", (-1,))]
    assert [one.name for one in described(fields, "input")] == ["input-0", "input-1"]
    assert [one.name for one in described(fields[:1], "output")] == ["output-0"]
