import json
import math
from typing import Any

import pytest

from serve.signature.spec import (
    AnyType,
    ArrayType,
    Column,
    MapType,
    ObjectType,
    Param,
    Property,
    Signature,
    TensorSpec,
    Type,
    parse,
    words,
)


def recorded(**schemas: Any) -> dict[str, Any]:
    """A signature as MLmodel holds it: each schema is JSON in a string."""
    return {name: json.dumps(schema) for name, schema in schemas.items()}


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_model_without_a_signature_has_an_empty_one(nothing: dict[str, Any] | None) -> None:
    found = parse(nothing)
    assert found == Signature()
    assert not found.checked_here


def test_columns_are_required_unless_they_say_otherwise() -> None:
    inputs = [{"type": "double", "name": "x"}, {"type": "string", "name": "y", "required": False}, {"type": "long"}]
    found = parse(recorded(inputs=inputs))
    assert found.columns == (
        Column("x", "double", required=True),
        Column("y", "string", required=False),
        Column(None, "long", required=True),
    )
    assert found.checked_here


@pytest.mark.parametrize(
    ("dtype", "read"),
    [
        ("float32", "<f4"),
        (">f8", "<f8"),
        ("int64", "<i8"),
        ("uint8", "|u1"),
        ("bool", "|b1"),
        ("str", "<U0"),
        ("object", "|O"),
        ("datetime64[ns]", "<M8[ns]"),
    ],
)
def test_tensors_have_dtypes_in_little_endian_whatever_was_recorded(dtype: str, read: str) -> None:
    inputs = [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, 8, 8]}}]
    found = parse(recorded(inputs=inputs))
    assert found.tensors == (TensorSpec(None, read, (-1, 8, 8)),)
    assert found.checked_here


def test_outputs_are_columns_or_tensors() -> None:
    column = [{"type": "string", "name": "label", "required": True}]
    tensor = [{"type": "tensor", "name": "y", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]
    assert parse(recorded(outputs=column)).outputs == (Column("label", "string", required=True),)
    assert parse(recorded(outputs=tensor)).outputs == (TensorSpec("y", "<f8", (-1,)),)


def test_params_are_scalars_or_lists_under_either_of_their_old_and_new_names() -> None:
    params = [
        {"name": "threshold", "dtype": "double", "default": 0.5, "shape": None},
        {"name": "ids", "type": "long", "default": [1], "shape": [-1]},
    ]
    assert parse(recorded(params=params)).params == (
        Param("threshold", "double", 0.5, None),
        Param("ids", "long", [1], (-1,)),
    )


NESTED = [
    ({"type": "array", "items": {"type": "double"}}, ArrayType("double"), "Array(double)"),
    ({"type": "map", "values": {"type": "any"}}, MapType(AnyType()), "Map(Any)"),
    (
        {"type": "object", "properties": {"x": {"type": "long"}, "y": {"type": "string", "required": False}}},
        ObjectType((Property("x", "long", True), Property("y", "string", False))),
        "Object(x: long, y: string)",
    ),
    (
        {"type": "array", "items": {"type": "array", "items": {"type": "object", "properties": {}}}},
        ArrayType(ArrayType(ObjectType(()))),
        "Array(Array(Object()))",
    ),
    ({"type": "sparkml_vector"}, AnyType(), "Any"),
]


@pytest.mark.parametrize(("described", "read", "told"), NESTED, ids=[told for *_, told in NESTED])
def test_nested_types_are_read_at_any_depth(described: dict[str, Any], read: Type, told: str) -> None:
    found = parse(recorded(inputs=[{**described, "name": "x"}])).columns[0]
    assert (found.type, found.nested, words(found.type)) == (read, True, told)


def test_a_param_may_be_an_object() -> None:
    param = {"name": "p", "type": "object", "properties": {"x": {"type": "long"}}, "default": {}, "shape": None}
    assert parse(recorded(params=[param])).params[0].type == ObjectType((Property("x", "long", True),))


def test_without_inputs_and_with_type_hints_mlflow_reads_the_data() -> None:
    assert not parse(recorded(inputs=[])).checked_here
    assert parse(recorded(inputs=[{"type": "string"}])).checked_here
    assert not parse(recorded(inputs=[{"type": "string"}]), type_hint=True).checked_here


@pytest.mark.parametrize(
    "broken",
    [
        [1],
        {"inputs": "["},
        {"inputs": "5"},
        {"inputs": "[1]"},
        {"inputs": "[{}]"},
        {"inputs": '[{"type": "tensor"}]'},
        {"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float33", "shape": []}}]'},
        {"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": ["x"]}}]'},
        {"params": "[1]"},
        {"params": "[{}]"},
    ],
)
def test_what_mlflow_does_not_write_raises_one_of_the_errors_promised(broken: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        parse(broken)


@pytest.mark.parametrize(
    ("default", "told"),
    [(math.nan, None), (-math.inf, None), (0.5, 0.5), ([1.0, math.nan], [1.0, None]), ({"a": math.inf}, {"a": None})],
)
def test_a_default_that_is_no_finite_number_stays_what_it_is_and_is_told_as_null(default: Any, told: Any) -> None:
    """`missing`, say, is NaN for models of trees."""
    (param,) = parse(recorded(params=[{"name": "missing", "type": "double", "default": default}])).params
    assert repr(param.default) == repr(default)
    assert param.told == told


def test_a_name_that_can_not_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        parse(recorded(inputs=[{"type": "double", "name": "\ud800"}]))
