"""An MLflow server as teams run it, before PostgreSQL and keeping the artifacts itself: promoted from, and served."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from tests.e2e.server import Server
from tests.forms import FULL
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Logged, Repository, log
from tests.remotes.servers import mlflow_server, postgres, postgres_programs
from tests.repositories import new_repository

pytestmark = [
    FULL,
    pytest.mark.skipif(postgres_programs() is None, reason="needs initdb"),
    *MLFLOWS_OWN_WARNINGS,
]

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"


def composed(database: str, artifacts: Path) -> list[str]:
    """The arguments that deploy/compose.yaml gives `mlflow server`, for a database and a folder of this machine."""
    command = YAML(typ="safe").load(COMPOSE)["services"]["mlflow"]["command"]
    assert command[:2] == ["mlflow", "server"]
    given = [one for one in command[2:] if not one.startswith(("--host=", "--port="))]
    told = [
        re.sub(r"postgresql\+psycopg2://\S+", database, one).replace("=/artifacts", f"={artifacts}") for one in given
    ]
    return [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", one) for one in told]


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("tracking")
    (place / "postgres").mkdir()
    one = "--workers=1"  # of several processes, uvicorn ends those that are slow to begin, as on a busy machine
    with (
        postgres(place / "postgres") as database,
        mlflow_server(place, [*composed(database, place / "kept"), one]) as url,
    ):
        yield url


@pytest.fixture(scope="module")
def logged(tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Two runs, of which the second is the better, and is registered as version 1 of `fleet`."""
    client, models = MlflowClient(tracking), tmp_path_factory.mktemp("models")
    client.create_experiment("field")
    log(client, models, oracle(models / "first", 10), val_accuracy=0.8)
    second = log(client, models, oracle(models / "second", 11), val_accuracy=0.9)
    client.create_registered_model("fleet")
    mlflow.set_tracking_uri(tracking)
    try:
        client.create_model_version("fleet", f"models:/{second.model}", second.run, model_id=second.model)
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    return second


def test_the_best_run_of_a_server_is_promoted_tagged_there_and_served(
    tracking: str, logged: Logged, tmp_path: Path
) -> None:
    repository = Repository(
        new_repository(tmp_path / "repo"),
        tmp_path / "state",
        {"MLFLOW_TRACKING_URI": tracking, "HOME": os.environ["HOME"]},
    )
    told = repository.promote("--best", "val_accuracy", "--experiment", "field", "--name", "oracle")
    assert told.revision
    model = repository.pin().models[0]
    assert model.run == logged.run
    client = MlflowClient(tracking)
    tags = client.get_run(logged.run).data.tags
    assert tags["pinion.digest"] == model.digest
    assert tags["pinion.revision"] == told.revision
    assert client.get_model_version_by_alias("fleet", "champion").version in (1, "1")
    with Server(repository.folder, repository.state).ready() as server:
        answer = server.predict({"inputs": {"x": [3.0], "fault": [""]}})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-model-run"] == logged.run


def test_candidates_are_listed_from_the_server(tracking: str, logged: Logged, tmp_path: Path) -> None:
    repository = Repository(new_repository(tmp_path / "repo"), tmp_path / "state", {"MLFLOW_TRACKING_URI": tracking})
    told = repository.promote("candidates", "--experiment", "field", "--metric", "val_accuracy")
    assert told.code == 0, told.stderr
    assert told.stdout.index("0.9") < told.stdout.index("0.8")
