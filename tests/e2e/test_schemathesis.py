"""Whatever /openapi.json allows or forbids, sent to the live server: no fault of ours, and each answer as it says.

So it is where a key is needed; there, schemathesis itself looks whether an operation does without one, too.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import load_all_checks
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks

from tests.e2e.guarded import new_key
from tests.e2e.server import Server
from tests.promoting import Repository

# Why a body that the schema allows may be refused all the same: what JSON Schema can't say.
UNSAYABLE = re.compile(
    "|".join(
        [
            r"must have equal lengths|ragged|same number of rows|not name the same tensors|which other rows have",
            r"must be a list of \d+ (labels|values)|holds? none of the model's columns|holds no rows|nested too deeply",
            r"is no date",
            r"did not answer within",  # a second divided by a billion is a timeout, too
            r"^dataframe_split",  # whose columns come in any order, so that its cells may be of any of their types
            # 1.0 is an integer to JSON Schema, not to MLflow
            r"is a number; the model takes (long|integer)|of type (long|integer), not a number|fractions",
        ]
    )
)


@pytest.fixture(scope="module")
def server(echoes: Repository) -> Iterator[Server]:
    """Tensors of every datatype, columns of every type, params."""
    with Server(echoes.folder, echoes.state) as one:
        yield one.ready()


@pytest.fixture(scope="module")
def document(server: Server) -> BaseSchema:
    return described(server, {})


@pytest.fixture(scope="module")
def guarded(echoes: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """One that asks for a key, and the header that shows one."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys.txt"
    header = {"Authorization": f"Bearer {new_key(keys, 'all', 'admin')}"}
    with Server(echoes.folder, echoes.state, auth__keys=keys) as one:
        yield one.ready(), header


def described(server: Server, headers: dict[str, str]) -> BaseSchema:
    """What the server says of itself, as far as bodies can be generated: JSON."""
    found = httpx.get(f"{server.url}/openapi.json", headers=headers).json()
    for operation in (one for item in found["paths"].values() for one in item.values()):
        content = operation.get("requestBody", {}).get("content", {})
        for kind in [kind for kind in content if kind != "application/json"]:
            del content[kind]
    schema = schemathesis.openapi.from_dict(found)
    schema.config.update(base_url=server.url)
    return schema


load_all_checks()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_answer_is_as_the_document_says(document: BaseSchema, mode: GenerationMode) -> None:
    assert tried(document, mode, of_each=20, derandomize=True) > 150


@pytest.mark.parametrize("of_each", [2, pytest.param(60, marks=[pytest.mark.e2e, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_answer_is_as_the_document_says_where_a_key_is_needed(
    guarded: tuple[Server, dict[str, str]], mode: GenerationMode, of_each: int
) -> None:
    server, header = guarded
    assert tried(described(server, header), mode, of_each, derandomize=True, headers=header) > 20


@pytest.mark.e2e
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_over_a_thousand_answers_are_as_the_document_says(document: BaseSchema, mode: GenerationMode) -> None:
    assert tried(document, mode, of_each=150) > 1000


def tried(
    document: BaseSchema,
    mode: GenerationMode,
    of_each: int,
    derandomize: bool = False,
    headers: dict[str, str] | None = None,
) -> int:
    """How many cases were sent, those of each operation at most `of_each`."""
    sent = 0

    def send(case: Case) -> None:
        nonlocal sent
        sent += 1
        ask(case, headers)

    how = settings(
        max_examples=of_each,
        derandomize=derandomize,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    for found in document.get_all_operations():
        try:
            how(given(found.ok().as_strategy(generation_mode=mode))(send))()
        except (Unsatisfiable, SkipTest):
            continue  # nothing about this operation can be wrong, as of one without a body
    return sent


def ask(case: Case, headers: dict[str, str] | None) -> None:
    """Send one case. Whether it had to be taken or refused is judged by `require_truth`, which knows the exceptions."""
    answer = case.call(headers=headers)
    excluded = [checks.positive_data_acceptance, checks.negative_data_rejection]
    if case.path.endswith("/invocations") and case.meta.generation.mode is GenerationMode.NEGATIVE:
        excluded.append(checks.response_schema_conformance)  # an echo gives what MLflow took, not what it promises
    case.validate_response(answer, excluded_checks=excluded, headers=headers)
    if case.method == "POST" and case.path.endswith("/predict"):
        require_truth(case, answer)


def require_truth(case: Case, answer: Response) -> None:
    """A body that is allowed is answered, and one that is forbidden is refused."""
    told: Any = answer.json()
    if case.meta.generation.mode is GenerationMode.POSITIVE:
        assert answer.status_code == 200 or UNSAYABLE.search(told["detail"]), (told, case.body)
    else:
        assert answer.status_code >= 400 or _has_flags(case.body), (told, case.body, case.headers)


def _has_flags(body: Any) -> bool:
    """Whether there are booleans in it: numpy, and so MLflow, reads them as numbers in tensors of floats."""
    if isinstance(body, list | dict):
        return any(map(_has_flags, body.values() if isinstance(body, dict) else body))
    return isinstance(body, bool)
