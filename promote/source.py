"""A reference to a model → a `Candidate`: what MLflow knows of it, and where its bytes can be had.

Understood: `runs:/<run>/<path>`, `models:/m-<id>`, `models:/<name>/<version>`, `models:/<name>@<alias>`, a bare
run id, a local MLflow model folder. The only user of MLflow's tracking API here, with `field` and `tell`.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from promote.errors import PromotionRefused

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_REGISTERED = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/]+)|@(?P<alias>.+))")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that may be promoted. What is not known is '' or empty.

    `uri` is what to download; `registered` is (name, version) where it came from the registry.
    """

    uri: str
    run: str = ""
    run_name: str = ""
    status: str = ""
    model_id: str = ""
    experiment: str = ""
    commit: str = ""
    dataset: str = ""
    metrics: Mapping[str, float] | None = None
    params: Mapping[str, str] | None = None
    registered: tuple[str, str] | None = None


@contextlib.contextmanager
def mlflow_said() -> Iterator[None]:
    """Turns MLflow's errors, and those of its transports, into one sentence of ours."""
    try:
        yield
    except PromotionRefused:
        raise
    except Exception as error:  # MLflow lets through what its stores and transports raise
        told = error.message if isinstance(error, MlflowException) else f"{type(error).__name__}: {error}"
        raise PromotionRefused(f"MLflow at {tracking()}: {str(told).strip().splitlines()[0][:300]}") from error


def connect(repo: Path) -> MlflowClient:
    """A client of MLFLOW_TRACKING_URI, or of the repository's own `mlflow.db`; it answers or fails soon."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        if not (repo / "mlflow.db").is_file():
            raise PromotionRefused(
                f"no MLflow to ask: set MLFLOW_TRACKING_URI, or train first ({repo} has no mlflow.db)"
            )
        mlflow.set_tracking_uri(f"sqlite:///{repo / 'mlflow.db'}")
    with mlflow_said():
        return MlflowClient()


def tracking() -> str:
    """The tracking URI in use, without any password in it."""
    return re.sub(r"//[^/@]*@", "//", mlflow.get_tracking_uri())


def find(reference: str, repo: Path) -> Candidate:
    """The candidate a reference means, or `PromotionRefused`."""
    if (Path(reference) / "MLmodel").is_file():
        return Candidate(str(Path(reference).resolve()))
    if re.match(r"(runs|models):/", reference) is None and _RUN_ID.fullmatch(reference) is None:
        raise PromotionRefused(
            f"'{reference[:200]}' is no model: give runs:/…, models:/…, a run id, or a folder with an MLmodel file"
        )
    client = connect(repo)
    with mlflow_said():
        return _find(client, reference)


def _find(client: MlflowClient, reference: str) -> Candidate:
    if reference.startswith("models:/m-"):
        return of_model(client, client.get_logged_model(reference.removeprefix("models:/")))
    if (match := _REGISTERED.fullmatch(reference)) is not None:
        return _of_registered(client, match["name"], match["version"], match["alias"])
    if reference.startswith("runs:/"):
        run_id, _, path = reference.removeprefix("runs:/").partition("/")
        return _of_run(client, client.get_run(run_id), path)
    return _of_run(client, client.get_run(reference), "")


def _of_registered(client: MlflowClient, name: str, version: str | None, alias: str | None) -> Candidate:
    found = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, str(version))
    registered = (name, str(found.version))
    if found.model_id:
        return of_model(client, client.get_logged_model(found.model_id), registered)
    run = client.get_run(found.run_id) if found.run_id else None
    return _candidate(client, f"models:/{name}/{found.version}", run, None, registered)


def _of_run(client: MlflowClient, run: Run, path: str) -> Candidate:
    """The model a run logged: the one named `path`, or its only one."""
    logged = [client.get_logged_model(one.model_id) for one in (run.outputs.model_outputs if run.outputs else [])]
    named = [model for model in logged if path in ("", model.name)]
    if len(named) == 1:
        return of_model(client, named[0])
    if len(named) > 1:
        ids = ", ".join(f"models:/{model.model_id} ({model.name})" for model in named)
        raise PromotionRefused(f"run {run.info.run_id} logged several models; name one of: {ids}")
    if not path:
        raise PromotionRefused(f"run {run.info.run_id} logged no model")
    return _candidate(client, f"runs:/{run.info.run_id}/{path}", run, None, None)


def of_model(client: MlflowClient, model: LoggedModel, registered: tuple[str, str] | None = None) -> Candidate:
    """The candidate of a logged model."""
    run = client.get_run(model.source_run_id) if model.source_run_id else None
    return _candidate(client, f"models:/{model.model_id}", run, model, registered)


def _candidate(
    client: MlflowClient, uri: str, run: Run | None, model: LoggedModel | None, registered: tuple[str, str] | None
) -> Candidate:
    metrics = {metric.key: metric.value for metric in (model.metrics or [])} if model is not None else {}
    params = dict(model.params or {}) if model is not None else {}
    if run is None:
        return Candidate(
            uri, model_id=model.model_id if model else "", metrics=metrics, params=params, registered=registered
        )
    datasets = run.inputs.dataset_inputs if run.inputs else []
    return Candidate(
        uri=uri,
        run=run.info.run_id,
        run_name=run.info.run_name or "",
        status=run.info.status,
        model_id=model.model_id if model is not None else "",
        experiment=client.get_experiment(run.info.experiment_id).name,
        commit=run.data.tags.get("mlflow.source.git.commit", ""),
        dataset=", ".join(f"{one.dataset.name} {one.dataset.digest}" for one in datasets),
        metrics={**run.data.metrics, **metrics},
        params={**params, **run.data.params},
        registered=registered,
    )
