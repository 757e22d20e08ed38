"""A reference to a model → a `Candidate`: what MLflow knows of it, and where its bytes can be had.

Understood: `runs:/<run>/<path>`, `models:/m-<id>`, `models:/<name>/<version>`, `models:/<name>@<alias>`, a bare
run id or its beginning, a local MLflow model folder. With `field` and `tell` the only user of MLflow's tracking API.
"""

import contextlib
import json
import math
import os
import re
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import mlflow
import requests
from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from promote.errors import PromotionRefused, plain

_RUN_ID = re.compile(r"[0-9a-f]{8,32}")  # whole, or its beginning
_WHOLE = 32  # digits
_MOST_TOLD = 5
_REGISTERED = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/]+)|@(?P<alias>.+))")
_HISTORY = "mlflow.log-model.history"
_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_ERRORS = re.compile(r"too many (\d{3}) error responses")
ANSWER_SECONDS = 60.0  # for all that one question takes: a server may also answer byte by byte, without end


class _Late(BaseException):
    """Time is up; nothing of MLflow may take it for a failure that it should try again after."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that may be promoted. What is not known is '' or empty.

    `uri` is what to download, or to copy where it is a `local` folder; `registered` is (name, version) where it
    came from the registry; `metrics` are finite, and `chosen_by` is the one it won by, if it did.
    """

    uri: str
    local: bool = False
    run: str = ""
    run_name: str = ""
    status: str = ""
    model_id: str = ""
    model_status: str = ""
    experiment: str = ""
    commit: str = ""
    dataset: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    registered: tuple[str, str] | None = None
    chosen_by: str = ""


@contextlib.contextmanager
def mlflow_said(seconds: float = ANSWER_SECONDS) -> Iterator[None]:
    """Turns MLflow's errors, and those of its transports, into one sentence of ours, without passwords.

    What takes longer than `seconds` is one of these. Not to be nested; in the main thread alone.
    """
    try:
        with _at_most(seconds):
            yield
    except PromotionRefused:
        raise
    except _Late:
        raise PromotionRefused(f"MLflow at {tracking()}: it took longer than {seconds:g} seconds") from None
    except Exception as error:  # MLflow lets through what its stores and transports raise
        told = plain(_without_password(_reason(error)), 300)
        raise PromotionRefused(f"MLflow at {tracking()}: {told}") from error


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Interrupts the block once its time is up, and each second after that until it has ended."""

    def late(*_: object) -> NoReturn:
        raise _Late

    handler = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def _reason(error: BaseException) -> str:
    """Where the network is to blame, the libraries' nested reports say no more than this."""
    met: BaseException | None = error
    while met is not None:
        if isinstance(met, requests.exceptions.RetryError) and (status := _ERRORS.search(str(met))) is not None:
            return f"it answers with errors ({status[1]})"
        if isinstance(met, requests.ConnectionError | requests.Timeout):
            return "it does not answer"
        met = met.__cause__ or met.__context__
    told = str(error.message) if isinstance(error, MlflowException) else f"{type(error).__name__}: {error}"
    return next((line for line in told.splitlines() if line.strip()), type(error).__name__)


def connect(repo: Path) -> MlflowClient:
    """A client of MLFLOW_TRACKING_URI, or of the repository's own `mlflow.db`; it answers or fails soon."""
    for name, value in _LIMITS.items():
        os.environ.setdefault(name, value)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        if not (repo / "mlflow.db").is_file():
            raise PromotionRefused(
                f"no MLflow to ask: set MLFLOW_TRACKING_URI, or train first ({repo} has no mlflow.db)"
            )
        mlflow.set_tracking_uri(f"sqlite:///{repo / 'mlflow.db'}")
    with mlflow_said():
        _require_database(mlflow.get_tracking_uri())
        return MlflowClient()


def _require_database(uri: str) -> None:
    """MLflow would make a database that is not there, and try one that is none for minutes."""
    if not uri.startswith("sqlite:///"):
        return
    path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    if not path.is_file():
        raise MlflowException("there is no such database")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA schema_version")


def tracking() -> str:
    """The tracking URI in use, without any password in it."""
    return _without_password(mlflow.get_tracking_uri())


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def find(reference: str, repo: Path) -> Candidate:
    """The candidate a reference means, or `PromotionRefused`."""
    if _is_model_folder(reference):
        return Candidate(str(Path(reference).resolve()), local=True)
    if re.match(r"(runs|models):/", reference) is None and _RUN_ID.fullmatch(reference) is None:
        raise PromotionRefused(
            f"'{plain(reference)}' is no model: give runs:/…, models:/…, a run id, or a folder with an MLmodel file"
        )
    client = connect(repo)
    with mlflow_said():
        return _find(client, reference)


def _is_model_folder(reference: str) -> bool:
    try:
        return (Path(reference) / "MLmodel").is_file()
    except OSError:  # longer than any path
        return False


def _find(client: MlflowClient, reference: str) -> Candidate:
    if reference.startswith("models:/m-"):
        return _of_model(client, client.get_logged_model(reference.removeprefix("models:/")))
    if (match := _REGISTERED.fullmatch(reference)) is not None:
        return _of_registered(client, match["name"], match["version"], match["alias"])
    if reference.startswith("models:/"):
        raise PromotionRefused(
            f"'{plain(reference)}' names no version: models:/<name>/<version> or models:/<name>@<alias>"
        )
    run_id, _, path = reference.removeprefix("runs:/").partition("/")
    if _RUN_ID.fullmatch(reference) is not None and len(reference) < _WHOLE:
        run_id = _whole(client, reference)
    return _of_run(client, client.get_run(run_id), path)


def _whole(client: MlflowClient, beginning: str) -> str:
    """The id of the one run whose id begins so: `serve history` and the console show twelve digits of it."""
    experiments = [one.experiment_id for one in mlflow.search_experiments(view_type=ViewType.ALL)]
    asked = f"attributes.run_id LIKE '{beginning}%'"
    found = [run.info.run_id for run in client.search_runs(experiments, asked, ViewType.ALL, max_results=_MOST_TOLD)]
    if not found:
        raise PromotionRefused(f"MLflow at {tracking()} has no run whose id begins with {beginning}")
    if len(found) > 1:
        raise PromotionRefused(f"several runs have ids that begin with {beginning}; name one of: {', '.join(found)}")
    return str(found[0])


def _of_registered(client: MlflowClient, name: str, version: str | None, alias: str | None) -> Candidate:
    found = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, str(version))
    registered = (name, str(found.version))
    if logged := logged_model(found):
        return _of_model(client, client.get_logged_model(logged), registered)
    run = client.get_run(found.run_id) if found.run_id else None
    return _candidate(client, f"models:/{name}/{found.version}", run, None, registered)


def logged_model(version: ModelVersion) -> str:
    """The id of the logged model that a registered version is; '' where it is none."""
    if version.model_id:
        return str(version.model_id)
    source = version.source or ""  # MLflow's own database keeps it here alone
    return source.removeprefix("models:/") if source.startswith("models:/m-") else ""


def _of_run(client: MlflowClient, run: Run, path: str) -> Candidate:
    """The model a run logged: the one named `path`, or its only one."""
    logged = [client.get_logged_model(one.model_id) for one in (run.outputs.model_outputs if run.outputs else [])]
    named = [model for model in logged if path in ("", model.name)]
    if len(named) == 1:
        return _of_model(client, named[0])
    told = [f"models:/{model.model_id} ({model.name})" for model in named]
    told = told or ([f"runs:/{run.info.run_id}/{path}"] if path else references(run))
    if not told:
        raise PromotionRefused(f"run {run.info.run_id} logged no model")
    if len(told) > 1:
        raise PromotionRefused(f"run {run.info.run_id} logged several models; name one of: {', '.join(told[:12])}")
    return _candidate(client, told[0], run, None, None)


def references(run: Run) -> list[str]:
    """The models that a run logged. MLflow 2 kept them among the run's artifacts, and told of them in a tag."""
    if run.outputs and run.outputs.model_outputs:
        return [f"models:/{one.model_id}" for one in run.outputs.model_outputs]
    try:
        paths = [str(one["artifact_path"]) for one in json.loads(run.data.tags.get(_HISTORY, "[]"))]
    except (ValueError, TypeError, KeyError):
        return []
    return [f"runs:/{run.info.run_id}/{path}" for path in dict.fromkeys(paths)]


def _of_model(client: MlflowClient, model: LoggedModel, registered: tuple[str, str] | None = None) -> Candidate:
    run = client.get_run(model.source_run_id) if model.source_run_id else None
    return _candidate(client, f"models:/{model.model_id}", run, model, registered)


def _candidate(
    client: MlflowClient, uri: str, run: Run | None, model: LoggedModel | None, registered: tuple[str, str] | None
) -> Candidate:
    """Everything known of it. Where the run and the model both have a metric, the model's own counts."""
    metrics = dict(run.data.metrics) if run is not None else {}
    metrics |= {metric.key: metric.value for metric in (model.metrics or [])} if model is not None else {}
    params = dict(model.params or {}) if model is not None else {}
    params |= run.data.params if run is not None else {}
    datasets = run.inputs.dataset_inputs if run is not None and run.inputs else []
    return Candidate(
        uri=uri,
        run=run.info.run_id if run is not None else "",
        run_name=(run.info.run_name or "") if run is not None else "",
        status=_status(run) if run is not None else "",
        model_id=model.model_id if model is not None else "",
        model_status=str(model.status) if model is not None else "",
        experiment=client.get_experiment(run.info.experiment_id).name if run is not None else "",
        commit=run.data.tags.get("mlflow.source.git.commit", "") if run is not None else "",
        dataset=", ".join(f"{one.dataset.name} {one.dataset.digest}" for one in datasets),
        metrics={name: float(value) for name, value in metrics.items() if math.isfinite(value)},
        params=params,
        registered=registered,
    )


def _status(run: Run) -> str:
    """The run's status; a deleted run's is that it is deleted."""
    return "DELETED" if run.info.lifecycle_stage == "deleted" else str(run.info.status)
