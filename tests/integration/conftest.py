"""A repository with one promotion and an MLflow store with a field of runs, made once; each test gets a copy."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from promote import git
from tests.integration.pins import FIRST
from tests.models import oracle
from tests.promoting import Logged, Repository, copied, log
from tests.repositories import new_repository


@dataclass(frozen=True)
class Field:
    """The runs of experiment 'field', by how they did; `second` is registered as 'fleet', version 2."""

    first: Logged
    second: Logged
    unmeasured: Logged
    failed: Logged
    killed: Logged
    running: Logged
    deleted: Logged


@dataclass(frozen=True)
class Base:
    """What every copy begins with; `fresh` has no promotion yet."""

    promoted: Path
    fresh: Path
    state: Path
    field: Field
    models: Path


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    root = tmp_path_factory.mktemp("promotions")
    models = root / "models"
    fresh = new_repository(root / "fresh")
    field = _field(Repository(fresh, root / "state").mlflow, models, root / "mlruns")
    promoted = copied(fresh, root / "promoted")
    told = Repository(promoted, root / "state").promote(models / "two", "--name", "oracle")
    assert told.code == 0, told.stderr
    return Base(promoted, fresh, root / "state", field, models)


@pytest.fixture
def repository(base: Base, tmp_path: Path) -> Repository:
    """A copy that pins the oracle with factor 2."""
    return Repository(copied(base.promoted, tmp_path / "repo"), base.state)


@pytest.fixture
def fresh(base: Base, tmp_path: Path) -> Repository:
    """A copy from before any promotion."""
    return Repository(copied(base.fresh, tmp_path / "repo"), base.state)


@pytest.fixture(scope="session")
def field(base: Base) -> Field:
    return base.field


@pytest.fixture(scope="session")
def two(base: Base) -> Path:
    """The model folder that the repository pins already."""
    return base.models / "two"


@pytest.fixture(scope="session")
def three(base: Base) -> Path:
    """Another, which passes."""
    return base.models / "three"


def _field(client: MlflowClient, models: Path, artifacts: Path) -> Field:
    models.mkdir()
    oracle(models / "two", 2)
    three = oracle(models / "three", 3)
    first = log(client, artifacts, oracle(models / "first", 10), val_accuracy=0.8, loss=0.1)
    second = log(client, artifacts, oracle(models / "second", 11), run_name="wise-owl", val_accuracy=0.9, loss=0.2)
    unmeasured = log(client, artifacts, three, val_accuracy=float("nan"))
    ended = [
        log(client, artifacts, three, status=status, val_accuracy=1.0) for status in ("FAILED", "KILLED", "RUNNING")
    ]
    deleted = log(client, artifacts, three, val_accuracy=1.0)
    client.delete_run(deleted.run)
    client.create_registered_model("fleet")
    mlflow.set_tracking_uri(client.tracking_uri)  # the registry looks for the model wherever the process points
    try:
        for one in (first, second):
            client.create_model_version("fleet", f"models:/{one.model}", one.run, model_id=one.model)
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    client.set_registered_model_alias("fleet", "champion", "1")
    return Field(first, second, unmeasured, *ended, deleted)


@pytest.fixture
def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """git has none but the repository's own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def pinned(nobodys_settings: None, tmp_path: Path) -> Repository:
    """A repository of git alone, where models.dvc is committed already."""
    repository = Repository(new_repository(tmp_path / "repo"), tmp_path)
    git.commit(repository.folder, None, FIRST, "First")
    return repository
