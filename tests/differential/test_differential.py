"""What Pinion accepts, casts, refuses and predicts equals MLflow's own enforcement, but for what is explained."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.differential import explained
from tests.differential.compare import Tally, compared
from tests.differential.families import FAMILIES
from tests.differential.payloads import Case
from tests.differential.runs import LONG, SHORT, run
from tests.differential.signatures import NOTHING, PLAIN, Signed

CASES = 200  # of each family
ECHOED = ("columns", "mixed columns", "unnamed columns", "one tensor", "named tensors", "no signature", "csv")
PAGE = Path(__file__).parents[2] / "docs" / "mlflow-differences.md"

DATES = Signed(({"type": "datetime", "name": "a", "required": False},))
BYTES = Signed(({"type": "binary", "name": "a", "required": True},))
DATE_TENSOR = Signed(({"type": "tensor", "tensor-spec": {"dtype": "datetime64[ns]", "shape": [-1]}},))

# The smallest case of each explained difference, and the probe that shows it.
EXAMPLES = {
    "null-for-nan": ("echo", Case(NOTHING, b'{"inputs": [NaN]}')),
    "null-for-nat": ("echo", Case(DATES, b'{"dataframe_records": [{"a": null}]}')),
    "base64-in-one-line": ("echo", Case(BYTES, b'{"dataframe_records": [{"a": "aGk="}]}')),
    "date-for-nanoseconds": ("echo", Case(DATE_TENSOR, b'{"inputs": ["2024-05-31T12:00:00.5"]}')),
    "object-for-its-keys": ("echo", Case(NOTHING, b'{"instances": [{"a": {"b": 1}}]}')),
    "default-index": ("whole", Case(PLAIN, b'{"dataframe_split": {"columns": ["a"], "data": [[0.5]], "index": [0]}}')),
    "params-none": ("whole", Case(NOTHING, b'{"inputs": [1], "params": {}}')),
    "content-type-spelling": ("whole", Case(NOTHING, b'{"inputs": [1]}', "application/json;")),
    "answer-mlflow-cannot-write": ("echo", Case(NOTHING, b'{"inputs": {"a": null}}')),
}

# What was found by chance, and is tried each time.
FOUND = {
    "an object for an array of truths in an array": Case(
        Signed(
            (
                {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": "boolean"}},
                    "name": "a",
                    "required": True,
                },
            )
        ),
        b'{"inputs": [[{"a": []}]]}',
    ),
    "truth among numbers in a map": Case(
        Signed(
            (
                {
                    "type": "map",
                    "values": {"type": "map", "values": {"type": "array", "items": {"type": "double"}}},
                    "name": "a",
                    "required": True,
                },
            )
        ),
        b'{"dataframe_split": {"data": [[{"a": {"a": [true, 0.0]}}]], "columns": ["a"]}}',
    ),
    "a text for an array of anything": Case(
        Signed(({"type": "array", "items": {"type": "any"}, "name": "a", "required": True},)),
        b'{"inputs": ["{\'a\': []}"]}',
    ),
    "optional columns, none of them named": Case(
        Signed(
            (
                {"type": "map", "values": {"type": "integer"}, "name": "a", "required": False},
                {"type": "array", "items": {"type": "any"}, "name": "b", "required": False},
            )
        ),
        b'{"dataframe_split": {"data": [[{"a": 0}, []]]}}',
    ),
    "a date with a zone as param": Case(
        Signed(params=({"name": "p", "type": "datetime", "default": "2024-01-01T00:00:00", "shape": None},)),
        b'{"inputs": [1], "params": {"p": "2024-05-31T12:00:00Z"}}',
    ),
    "an integer just beyond 64 bits as param": Case(
        Signed(params=({"name": "p", "type": "integer", "default": 0, "shape": None},)),
        b'{"inputs": [1], "params": {"p": -9223372036854775809}}',
    ),
    "integers just beyond 64 bits as param": Case(
        Signed(params=({"name": "p", "type": "long", "default": [0], "shape": [-1]},)),
        b'{"inputs": [1], "params": {"p": [1, 18446744073709551616]}}',
    ),
    "a huge number for an integer as param": Case(
        Signed(params=({"name": "p", "type": "long", "default": 0, "shape": None},)),
        b'{"inputs": [1], "params": {"p": 1e19}}',
    ),
    "no texts in rows": Case(
        Signed(({"type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1, -1]}},)), b'{"inputs": [[]]}'
    ),
    "not a number in a map": Case(
        Signed(({"type": "map", "values": {"type": "float", "required": False}, "name": "a", "required": False},)),
        b'{"dataframe_records": [{"a": {"a": NaN}}]}',
    ),
    "null for an array of maps": Case(
        Signed(
            (
                {
                    "type": "array",
                    "items": {"type": "map", "values": {"type": "any"}},
                    "name": "a",
                    "required": True,
                },
            )
        ),
        b'{"inputs": [null]}',
    ),
    "an integer just beyond 64 bits": Case(NOTHING, b'{"inputs": [-9223372036854775809]}'),
    "null among complex numbers": Case(
        Signed(({"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [-1]}},)), b'{"inputs": [null, 1.5]}'
    ),
    "nothing for a number": Case(Signed(({"type": "double", "name": "a", "required": False},)), b'{"inputs": [[]]}'),
    "truth among texts of numbers": Case(
        Signed(({"type": "tensor", "tensor-spec": {"dtype": "int8", "shape": [-1]}, "name": "a"},)),
        b'{"inputs": ["0", true]}',
    ),
    "instances beside an array left out": Case(
        Signed(
            (
                {"type": "array", "items": {"type": "any"}, "name": "a", "required": False},
                {"type": "integer", "name": "b", "required": True},
            )
        ),
        b'{"instances": [{"b": 0}]}',
    ),
    "nothing for a number in a map": Case(
        Signed(
            (
                {
                    "type": "map",
                    "values": {"type": "array", "items": {"type": "double"}},
                    "name": "a",
                    "required": True,
                },
            )
        ),
        b'{"dataframe_records": [{"a": {"a": [[]]}}]}',
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_agrees(name: str) -> None:
    assert compared(FOUND[name], "whole").differences == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_pinion_takes_and_refuses_what_mlflow_does_and_gives_the_model_the_same(family: str) -> None:
    _family(family, CASES, SHORT)


@pytest.mark.parametrize("family", ECHOED)
def test_an_answer_is_written_as_mlflow_writes_it(family: str) -> None:
    _family(family, CASES // 4, SHORT, "echo")


@pytest.mark.e2e
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", FAMILIES)
def test_pinion_agrees_with_mlflow_whatever_comes(family: str) -> None:
    _family(family, 20 * CASES, LONG)


@pytest.mark.e2e
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", ECHOED)
def test_an_answer_is_written_as_mlflow_writes_it_whatever_comes(family: str) -> None:
    _family(family, 5 * CASES, LONG, "echo")


def test_more_than_two_thousand_cases_are_tried() -> None:
    assert len(FAMILIES) * CASES >= 2000


def test_the_page_tells_every_explained_difference_and_no_other() -> None:
    told = re.findall(r"^### `([a-z0-9-]+)`$", PAGE.read_text(), re.MULTILINE)
    assert told == [*explained.PLACES, *explained.VERDICTS] == list(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_explained_difference_is_there(name: str) -> None:
    probe, case = EXAMPLES[name]
    assert compared(case, probe).differences == (name,)


def _family(family: str, cases: int, how: settings, probe: str = "whole") -> None:
    tally = Tally()
    run(FAMILIES[family], cases, how, lambda case: tally.add(compared(case, probe)))
    sys.stdout.write(f"{family}: {tally}")
    assert tally.total >= cases
