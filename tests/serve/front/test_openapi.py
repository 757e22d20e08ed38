"""What a model's request schema allows is taken, and what it forbids is refused: both, body by body."""

import itertools
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from serve.errors import RequestRejected
from serve.front.formats.mlflow_json import JsonReading
from serve.signature.spec import (
    SCALARS,
    AnyType,
    ArrayType,
    Column,
    MapType,
    ObjectType,
    Param,
    Property,
    Signature,
)
from tests.serve.front.described import (
    DTYPES,
    OTHER_DTYPES,
    VALUES,
    columns,
    deployed,
    described,
    signatures,
    tensors,
    validator,
)

NOT_REQUESTS: list[Any] = [
    *(None, [], 1, "inputs", {}, {"params": {}}, {"inputs": None}, {"inputs": []}, {"inputs": {}}, {"instances": {}}),
    *({"inputs": [0.5], "instances": [0.5]}, {"inputs": [0.5], "more": 1}, {"dataframe_records": []}),
    *({"dataframe_split": []}, {"dataframe_split": {}}, {"dataframe_split": {"data": []}}),
    {"dataframe_split": {"columns": ["c0"], "data": [[0.5]], "more": 1}},
]


def of_columns(value: Any) -> Iterator[Any]:
    """The value as the one value of column c0, in every form."""
    for data in ({"c0": [value]}, {"c0": value}, {"c0": [value, value]}, [{"c0": value}], [value], {"c1": [value]}):
        yield {"inputs": data}
        yield {"instances": data}
    for rows in ([{"c0": value}], [{"c0": value}, {}], [{"c0": value, "c1": value}], [value]):
        yield {"dataframe_records": rows}
    yield {"dataframe_split": {"data": [[value]]}}
    for names in (["c0"], ["c1"], ["c0", "c0"], [], None):
        yield {"dataframe_split": {"columns": names, "data": [[value]]}}


def beside(other: Any) -> Iterator[Any]:
    """Each value as that of column c0, beside `other` in column c1."""
    for value in VALUES:
        yield {"inputs": {"c0": [value], "c1": [other]}}
        yield {"inputs": [{"c0": value, "c1": other}, {"c0": value, "c1": other}]}
        yield {"dataframe_records": [{"c0": value, "c1": other}]}
        yield {"dataframe_split": {"columns": ["c1", "c0"], "data": [[other, value]]}}
    yield from ({"inputs": {"c1": [other]}}, {"inputs": [{"c1": other}]}, {"instances": [{"c0": None}]})
    yield {"dataframe_split": {"columns": ["c1"], "data": [[other]]}}


def of_tensors(value: Any) -> Iterator[Any]:
    """The value within tensors of shape [-1, 3], and in others, in every form."""
    for data in ([[value] * 3], [[value] * 3] * 2, [[value] * 2], [value] * 3, value, [[[value] * 3]], {"x": value}):
        yield {"inputs": data}
        yield {"instances": data}
        yield {"dataframe_split": {"data": data}}
    yield {"dataframe_records": [{"a": value, "b": value, "c": value}]}
    yield {"dataframe_records": [{"a": value, "b": value}]}


def bodies(make: Any) -> list[Any]:
    return [*NOT_REQUESTS, *itertools.chain.from_iterable(map(make, VALUES))]


def taken(body: Any, signature: Signature) -> bool:
    try:
        JsonReading(orjson.dumps(body)).bind(signature)
    except RequestRejected:
        return False
    return True


def disagreements(signature: Signature, tried: list[Any]) -> list[Any]:
    """The bodies that the schema allows and the server refuses, or the other way round."""
    allowed = validator(described(deployed(signature)), "MRequest").is_valid
    return [body for body in tried if allowed(body) != taken(body, signature)]


@pytest.mark.parametrize("type_", SCALARS)
def test_a_column_is_taken_exactly_where_its_schema_allows_it(type_: str) -> None:
    assert disagreements(columns(type_), bodies(of_columns)) == []


@pytest.mark.parametrize("type_", SCALARS)
def test_an_optional_column_may_be_left_out_and_is_null_exactly_where_its_schema_says_so(type_: str) -> None:
    signature = Signature(columns=(Column("c0", type_, False), Column("c1", type_, True)))
    other = next(value for value in VALUES if value is not None and taken({"inputs": [value]}, columns(type_)))
    assert disagreements(signature, list(beside(other))) == []


@pytest.mark.parametrize("dtype", [*DTYPES, *OTHER_DTYPES])
def test_a_tensor_is_taken_exactly_where_its_schema_allows_it(dtype: str) -> None:
    tried = bodies(of_tensors)
    if dtype[1] in "fc":  # numpy reads booleans as numbers wherever they stand
        tried = [body for body in tried if b"true" not in orjson.dumps(body) and b"false" not in orjson.dumps(body)]
    assert disagreements(tensors((None, dtype, (-1, 3))), tried) == []


# What a schema can't say of nested types: that MLflow looks at numbers in lists together, and that dates and base64
# are read by the model's own MLflow.
PERSON = ObjectType((Property("a", "string", True), Property("n", "double", False)))
NESTED = {
    "strings": ArrayType("string"),
    "numbers": ArrayType("double"),
    "lists": ArrayType(ArrayType("boolean")),
    "map": MapType("long"),
    "object": PERSON,
    "objects": ArrayType(PERSON),
    "any": AnyType(),
}
FRACTIONS = (0.5, [0.5], [[0.5]], {"a": 0.5}, {"a": "b", "n": 0.5}, [{"a": "b", "n": 0.5}])
WHOLES = ([True, False], [[True], []], {"a": 1}, {"a": 2**63}, {"a": "b", "n": None}, [{"a": "b"}, {}], ["a", None])


@pytest.mark.parametrize("type_", NESTED.values(), ids=NESTED)
def test_a_nested_value_is_taken_exactly_where_its_schema_allows_it(type_: Any) -> None:
    values = [None, "a", True, [], {}, ["a"], [None], [["a"]], {"a": "b"}, {"b": "b"}, *FRACTIONS, *WHOLES]
    tried = [
        body
        for value in values
        for body in (
            {"inputs": [{"c0": value}]},
            {"inputs": {"c0": value}},
            {"inputs": [value]},
            {"instances": [{"c0": value}, {"c0": value}]},
            {"dataframe_records": [{"c0": value}]},
            {"dataframe_split": {"columns": ["c0"], "data": [[value]]}},
        )
    ]
    unsayable = [{"c0": [None, 0.5]}] if type_ == ArrayType("double") else []  # null among fractions, which is NaN
    assert disagreements(columns(type_), [body for body in tried if body not in unsayable]) == []


DATES = ("2024-05-31", "2024-05-31T12:00:00", "2024-05-31 12:00")  # numpy reads more, and MLflow takes what numpy reads


@pytest.mark.parametrize("type_", SCALARS)
@pytest.mark.parametrize("shape", [None, (-1,)])
def test_a_param_is_taken_exactly_where_its_schema_allows_it(type_: str, shape: tuple[int, ...] | None) -> None:
    signature = Signature(columns=(Column("x", "double", True),), params=(Param("p", type_, None, shape),))
    values = [value for value in VALUES if type_ != "datetime" or not isinstance(value, str) or value in ("a", *DATES)]
    tried = [{"inputs": [0.5], "params": {"p": one}} for value in values for one in (value, [value], [value, None])]
    tried += [{"inputs": [0.5], "params": params} for params in (None, {}, [], {"q": 1})]
    assert disagreements(signature, tried) == []


RANKS: dict[str, tuple[tuple[str | None, str, tuple[int, ...]], ...]] = {
    "rank 0": ((None, "<f8", ()),),
    "rank 1": ((None, "<f8", (-1,)),),
    "rank 3": ((None, "<f8", (-1, 1, 2)),),
    "two rows": ((None, "<f8", (2, -1)),),
    "one named": (("x", "<f8", (-1, 2)),),
    "named": (("x", "<f8", (-1,)), ("y", "<f8", (-1, 2))),
    "named without rows": (("x", "<f8", ()), ("y", "<f8", (-1,))),
}


@pytest.mark.parametrize("specs", RANKS.values(), ids=RANKS)
def test_a_tensor_of_any_rank_is_taken_exactly_where_its_schema_allows_it(specs: Any) -> None:
    shapes = [0.5, [0.5], [0.5] * 2, [[0.5]], [[0.5] * 2], [[0.5] * 2] * 2, [[0.5]] * 2, [[[0.5] * 2]], [[[0.5]]], [[]]]
    pairs = [{"x": x, "y": y} for x in shapes for y in shapes if not _uneven(x, y)]
    rows = [*pairs, *({"x": x} for x in shapes), {}]
    lists = [*([row] for row in rows), *([row, row] for row in rows)]
    values = [*shapes, *rows, *lists]
    tried = [{"inputs": value} for value in values]
    tried += [{form: value} for value in (*shapes, *lists) for form in ("instances", "dataframe_records")]
    tried += [{"dataframe_split": {"data": value}} for value in shapes if isinstance(value, list)]
    tried += [{"dataframe_split": {"columns": ["x", "y"], "data": [[one, one]]}} for one in shapes]
    signature = tensors(*specs)
    assert disagreements(signature, [body for body in tried if not _ragged(body, signature)]) == []


def _uneven(x: Any, y: Any) -> bool:
    """Whether two tensors have different numbers of rows."""
    return isinstance(x, list) and isinstance(y, list) and len(x) != len(y)


def _ragged(body: Any, signature: Signature) -> bool:
    """What no schema can say: columns of a frame that are tensors of other shapes, in an order of their own."""
    ((form, value),) = body.items()
    return form == "dataframe_split" and "columns" in value and len({len(one.shape) for one in signature.tensors}) > 1


@pytest.mark.parametrize("name", ["unnamed-column", "unnamed-columns"])
def test_columns_without_names_are_taken_by_their_place(name: str) -> None:
    tried = []
    for row in ([], [0.5], [0.5, "a"], ["a", 0.5], [None, None], [0.5, "a", 1]):
        tried += [{"inputs": row}, {"inputs": [row]}, {"instances": [row, row]}, {"dataframe_split": {"data": [row]}}]
        tried += [{"dataframe_split": {"columns": list(range(len(row))), "data": [row], "index": [0]}}]
    assert disagreements(signatures()[name], tried) == []


def test_a_model_without_a_signature_takes_any_json() -> None:
    tried = [*NOT_REQUESTS, {"inputs": {"any": [1, "a"]}}, {"instances": 1}, {"dataframe_split": 1}]
    assert disagreements(Signature(), tried) == []


def test_a_model_of_type_hints_takes_inputs_alone_with_the_keys_it_may_know_itself() -> None:
    tried = [{"inputs": [{"name": "Ada"}]}, {"inputs": [{"name": "Ada", "more": 1}]}, {"instances": [{"name": "Ada"}]}]
    assert disagreements(signatures()["type-hint"], tried) == []


def test_a_chat_model_takes_a_body_of_its_own_and_answers_it_unwrapped() -> None:
    found = described(deployed(signatures()["chat"], predictions=["hi"], request={"messages": []}))
    request, answer = validator(found, "MRequest"), found["paths"]["/models/m/predict"]["post"]["responses"]["200"]
    messages = [{"role": "user", "content": "hello"}]
    for body in ({"messages": messages, "temperature": 0.1}, {"inputs": {"messages": messages}}):
        assert request.is_valid(body) == taken(body, signatures()["chat"]) is True
    assert not request.is_valid({"messages": messages, "params": {"temperature": 0.1}})
    assert answer["content"]["application/json"]["examples"]["m"]["value"] == ["hi"]
    assert len(answer["content"]["application/json"]["schema"]["anyOf"]) == 2
