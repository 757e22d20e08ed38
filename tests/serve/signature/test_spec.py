import json
from typing import Any

import pytest

from serve.signature.spec import Column, Param, Signature, TensorSpec, parse


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


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param([{"type": "array", "items": {"type": "double"}, "name": "x"}], id="a nested type"),
        pytest.param([{"type": "double", "name": "x"}, {"type": "any", "name": "y"}], id="one nested among scalars"),
        pytest.param([], id="no inputs"),
    ],
)
def test_what_is_not_scalar_is_left_to_mlflow(inputs: list[dict[str, Any]]) -> None:
    assert not parse(recorded(inputs=inputs)).checked_here


def test_a_signature_from_a_type_hint_is_left_to_mlflow() -> None:
    inputs = recorded(inputs=[{"type": "string"}])
    assert not parse({**inputs, "is_signature_from_type_hint": True}).checked_here


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
