"""A candidate's artifact, downloaded afresh into a staging folder; and what is there, as facts for the gate."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow.artifacts
from mlflow.tracking import MlflowClient

from promote.errors import PromotionRefused
from promote.gate import Facts
from promote.source import Candidate, mlflow_said
from serve.artifact.snapshot import mlmodel

# MLflow adds this to what it downloads from its registry; it is no part of the model as logged.
_ADDED_BY_DOWNLOAD = "registered_model_meta"


def download(candidate: Candidate, staging: Path) -> Path:
    """The model's files in `staging`/model, byte for byte as logged."""
    target = staging / "model"
    if Path(candidate.uri).is_dir():
        shutil.copytree(candidate.uri, target, symlinks=True)
    else:
        with mlflow_said():
            place = mlflow.artifacts.download_artifacts(candidate.uri, dst_path=str(_made(staging / "download")))
        shutil.move(place, target)
        (target / _ADDED_BY_DOWNLOAD).unlink(missing_ok=True)
    if not (target / "MLmodel").is_file():
        raise PromotionRefused(f"{candidate.uri} is no MLflow model: it holds no MLmodel file")
    return target


def facts(model: Path) -> Facts:
    """What the gate must know of a downloaded model folder."""
    files = {str(path.relative_to(model)): path.stat().st_size for path in model.rglob("*") if path.is_file()}
    recipe = model / "requirements.txt"
    lines = recipe.read_text(encoding="utf-8").splitlines() if recipe.is_file() else []
    wanted = tuple(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))
    return Facts(mlmodel(model), files, wanted)


def stored_sizes(candidate: Candidate) -> dict[str, int]:
    """Path and size in bytes of each file of a logged model, as its store lists them; {} where it can't be asked."""
    if not candidate.model_id or Path(candidate.uri).is_dir():
        return {}
    with mlflow_said():
        return dict(_listed(MlflowClient(), candidate.model_id, None))


def _listed(client: MlflowClient, model_id: str, below: str | None) -> Iterator[tuple[str, int]]:
    for entry in client.list_logged_model_artifacts(model_id, below):
        if entry.is_dir:
            yield from _listed(client, model_id, entry.path)
        elif entry.file_size is not None:
            yield entry.path, entry.file_size


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
