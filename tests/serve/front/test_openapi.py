"""What /openapi.json says is true: what a schema allows is taken, what it forbids is refused."""

import itertools
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from serve.errors import RequestRejected
from serve.front.formats.mlflow_json import JsonReading
from serve.signature.spec import SCALARS, Column, Signature
from tests.serve.front.described import (
    DTYPES,
    OTHER_DTYPES,
    columns,
    deployed,
    described,
    tensors,
    validator,
)

# Of every kind, and at the edges of every range. A whole number is written without a fraction: see the last test.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 127, 128, 255, 256, -129, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**32, 2**53),
    *(2**63 - 1, 2**63, 2**64 - 1, 0.5, -1e30, 70000.5, 3.4e38, 3.5e38, 1e308),
    *("", "a", "1", "QQ==", "QUI=", "QUJD", "QQ", "Q===", "a b=", "ä"),
    *("2024-05-31", "2024-05-31T12:00:00", "2024-05-31 12:00", "2024-05-31T12:00:00.123456789Z", "1600-01-01"),
    *("2024-05-31T24:00", "2024-13-01", "2024-02-30", "2262-01-01", "1678-01-01T07+02", "now", "2024", "May 1, 2024"),
    *([], [None], [1], [0.5], ["a"], [[0.5]], {}, {"a": "b"}, {"c0": 0.5}, [{"c0": "a"}]),
]
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
