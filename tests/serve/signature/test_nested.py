from typing import Any

import pytest

from serve.signature.flaws import Flaws, Hopeless
from serve.signature.nested import check
from serve.signature.spec import AnyType, ArrayType, MapType, ObjectType, Property, Type

PERSON = ObjectType((Property("name", "string", True), Property("ages", ArrayType("long"), False)))
DEEP = ArrayType(MapType(ArrayType(PERSON)))


def flaws(type_: Type, value: Any, *, required: bool = True) -> list[str]:
    found = Flaws()
    check(value, type_, "x", found, required=required)
    try:
        found.refuse()
    except Exception as error:
        return [flaw.detail for flaw in error.flaws] + (["hopeless"] if isinstance(error, Hopeless) else [])  # type: ignore[attr-defined]
    return []


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("boolean", True),
        ("long", 5),
        ("double", 1.5),
        ("double", 1),
        ("float", 0),
        ("string", "a"),
        ("binary", "any text"),
        ("datetime", "2024-05-31"),
        (ArrayType("long"), [1, 2]),
        (ArrayType("long"), []),
        (ArrayType("double"), [1, 2.5, None]),
        (ArrayType("double"), [1, 0]),
        (ArrayType("double"), [5, None]),
        (ArrayType("string"), ["a", None]),
        (ArrayType("datetime"), ["2024-05-31", 5]),
        (ArrayType(ArrayType("boolean")), [[True], []]),
        (ArrayType(AnyType()), None),
        (ArrayType(AnyType()), [1, "a", {}]),
        (MapType("long"), {"a": 1, "b": 2}),
        (MapType(AnyType()), None),
        (PERSON, {"name": "Ada", "ages": [36]}),
        (PERSON, {"name": "Ada"}),
        (PERSON, {"name": "Ada", "ages": None}),
        (DEEP, [{"a": [{"name": "Ada"}], "b": []}]),
        (AnyType(), {"anything": [1, None]}),
    ],
)
def test_a_value_of_its_type_has_no_flaws(type_: Type, value: Any) -> None:
    assert flaws(type_, value) == []


@pytest.mark.parametrize("type_", ["long", ArrayType("long"), MapType("long"), PERSON])
def test_null_is_taken_where_the_column_is_optional(type_: Type) -> None:
    assert flaws(type_, None, required=False) == []
    assert flaws(type_, None) != []


@pytest.mark.parametrize(
    ("type_", "value", "told"),
    [
        ("long", None, "x is null; the model takes long there"),
        ("long", [1], "x is a list; the model takes long there"),
        ("integer", 5, "x holds integers; MLflow takes no JSON number (declare it long) for integer there"),
        ("float", 2, "x holds integers; MLflow takes no JSON number but 0 and 1 (declare it double) for float there"),
        ("double", 2, "x holds integers; MLflow takes numbers with a fraction, as in 1.0, for double there"),
        ("boolean", 1, "x holds integers; the model takes boolean"),
        ("string", 1, "x holds integers; the model takes string"),
        ("datetime", 5, "x holds integers; the model takes datetime"),
        (ArrayType("long"), [1, 1.5], "x holds fractions; the model takes long"),
        (MapType("long"), [1], "x is a list; the model takes Map(long) there"),
        (MapType(ArrayType("long")), {"a": ["b"]}, "x.a holds strings; the model takes long"),
        (PERSON, {"ages": [1]}, "x lacks the key 'name'"),
        (PERSON, {"name": "Ada", "age": 36}, "x has no key 'age' in the model's signature"),
        (PERSON, 5, "x is a number; the model takes Object(name: string, ages: Array(long)) there"),
        (DEEP, [{"a": [{"name": 5}]}], "x[0].a[0].name holds integers; the model takes string"),
    ],
)
def test_what_mlflow_would_refuse_is_refused_with_its_place(type_: Type, value: Any, told: str) -> None:
    assert flaws(type_, value) == [told, "hopeless"]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (ArrayType("string"), ["a", 1]),
        (ArrayType("boolean"), [True, None]),
        (ArrayType("boolean"), [None]),
        (ArrayType("long"), 5),
        (ArrayType("long"), [1, "a"]),
        (ArrayType("long"), [None]),
        (ArrayType(ArrayType("long")), [[1], 5]),
        ("long", 2**63),
    ],
)
def test_what_mlflow_might_bend_is_refused_only_where_read_strictly(type_: Type, value: Any) -> None:
    assert [told for told in flaws(type_, value) if told == "hopeless"] == []
    assert flaws(type_, value)


def test_all_flaws_are_told_up_to_a_bound() -> None:
    assert len(flaws(ArrayType(PERSON), [{}, {"name": 1}, {"name": "a"}])) == 3
    assert len(flaws(ArrayType(PERSON), [{}] * 100)) == 21
