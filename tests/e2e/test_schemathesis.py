"""Whatever /openapi.json allows or forbids, sent to the live server: no fault of ours, and each answer as it says."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import load_all_checks
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks

from tests.e2e.conftest import Repository
from tests.e2e.server import Server

# Why a body that the schema allows may be refused all the same: what JSON Schema can't say.
UNSAYABLE = re.compile(
    r"must have equal lengths|ragged|same number of rows|must be a list of \d+ (labels|values)|which other rows have"
    r"|is no date|holds? none of the model's columns|holds no rows|not name the same tensors|nested too deeply"
)


@pytest.fixture(scope="module")
def server(promoted: Repository) -> Iterator[Server]:
    """The oracle: a required and an optional column."""
    promoted.checkout(1)
    with Server(promoted.folder, promoted.state) as one:
        yield one.ready()


@pytest.fixture(scope="module")
def document(server: Server) -> BaseSchema:
    return _schema(server)


def _schema(server: Server) -> BaseSchema:
    """What the server says of itself, as far as it can be generated: bodies of JSON."""
    found = server.get("/openapi.json").json()
    for operation in (one for item in found["paths"].values() for one in item.values()):
        content = operation.get("requestBody", {}).get("content", {})
        for kind in [kind for kind in content if kind != "application/json"]:
            del content[kind]
    schema = schemathesis.openapi.from_dict(found)
    schema.config.update(base_url=server.url)
    return schema


load_all_checks()
live = schemathesis.pytest.from_fixture("document")


@live.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case: Case) -> None:
    ask(case)


def ask(case: Case) -> None:
    answer = case.call()
    case.validate_response(answer, excluded_checks=[checks.positive_data_acceptance, checks.negative_data_rejection])
    if case.method == "POST" and case.path.endswith("/predict"):
        require_truth(case, answer)


def require_truth(case: Case, answer: Response) -> None:
    """A body that is allowed is answered, and one that is forbidden is refused."""
    told: Any = answer.json()
    if case.meta.generation.mode is GenerationMode.POSITIVE:
        assert answer.status_code == 200 or UNSAYABLE.search(told["detail"]), (told, case.body)
    else:
        assert answer.status_code >= 400, (told, case.body, case.headers)
