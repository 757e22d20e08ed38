"""Where runs go: the MLflow tracking store.

`MLFLOW_TRACKING_URI` names it; without that it is `sqlite:///mlflow.db` in the working folder with its
artifacts in `mlruns/` beside it, which is also where a plain `mlflow ui` looks. A store that does not
answer is refused before any training, within seconds. Every error of MLflow, of its database and of the
network leaves here as StoreFailed.
"""

import fcntl
import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import requests
from alembic.util.exc import CommandError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from train.errors import StoreFailed

DEFAULT_URI = "sqlite:///mlflow.db"
FIRST_CONTACT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
LONGEST_REASON = 300


_ERRORS = (
    MlflowException,
    CommandError,  # the database was made by another version of MLflow
    SQLAlchemyError,
    sqlite3.Error,
    requests.RequestException,
    OSError,
    ImportError,  # the database's driver is not installed
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An open experiment: runs can be recorded under its id."""

    experiment_id: str
    name: str


def open_experiment(name: str) -> Experiment:
    """Choose the store, see that it answers, and find the experiment or make it. Raises StoreFailed."""
    for noisy in ("alembic", "mlflow.store.db.utils"):  # set up the database's tables, line by line
        logging.getLogger(noisy).setLevel(logging.ERROR)
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI)
    with store_errors(), impatient(), _alone(mlflow.get_tracking_uri()):
        return Experiment(_experiment_id(MlflowClient(), name), name)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what MLflow, its database and the network raise into StoreFailed, in one line, no password."""
    try:
        yield
    except _ERRORS as error:
        uri = mlflow.get_tracking_uri()
        raise StoreFailed(_without_password(uri), _without_password(_reason(error))) from error


def _experiment_id(client: MlflowClient, name: str) -> str:
    if found := client.get_experiment_by_name(name):
        if found.lifecycle_stage == "deleted":
            reason = f"experiment {name} is deleted: restore it, or name another with --experiment."
            raise MlflowException(reason)
        return str(found.experiment_id)
    try:
        return client.create_experiment(name)
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # another run made it in between
            return str(found.experiment_id)
        raise


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """For SQLite: hold its folder's lock while the tables are made, since MLflow breaks a new database that two
    processes open at once; and ask the file itself first, since MLflow tries a hopeless one for minutes."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
        yield
    finally:
        os.close(folder)


@contextmanager
def impatient() -> Iterator[None]:
    """Few tries and a short wait, at first contact and last; in between a blip must not end a training."""
    unset = {name: value for name, value in FIRST_CONTACT.items() if name not in os.environ}
    os.environ.update(unset)
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]


def _reason(error: BaseException) -> str:
    """One line. Where the network is to blame the libraries' nested reports say no more than this."""
    met: BaseException | None = error
    while met is not None:
        if isinstance(met, requests.ConnectionError | requests.Timeout):
            return "it does not answer."
        met = met.__cause__ or met.__context__
    return " ".join(str(error).split())[:LONGEST_REASON]


def _without_password(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://…@", text)
