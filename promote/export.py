"""A candidate's artifact, downloaded afresh into a staging folder; and what is there, as facts for the gate."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import mlflow.artifacts
from mlflow.entities import FileInfo
from mlflow.tracking import MlflowClient

from promote import recipe
from promote.errors import PromotionRefused
from promote.gate import Facts
from promote.source import Candidate, mlflow_said
from serve.artifact.snapshot import mlmodel

# MLflow adds this to what it downloads from its registry; it is no part of the model as logged.
_ADDED_BY_DOWNLOAD = "registered_model_meta"


def download(candidate: Candidate, staging: Path) -> Path:
    """The model's files in `staging`/model, byte for byte as logged."""
    target = staging / "model"
    if candidate.local:
        shutil.copytree(candidate.uri, target, symlinks=True)
    else:
        _from_store(candidate, staging / "download", target)
    if not (target / "MLmodel").is_file():
        raise PromotionRefused(f"{candidate.uri} is no MLflow model: it holds no MLmodel file")
    return target


def _from_store(candidate: Candidate, place: Path, target: Path) -> None:
    place.mkdir()
    with mlflow_said():
        found = Path(mlflow.artifacts.download_artifacts(candidate.uri, dst_path=str(place))).resolve()
    if not found.is_dir():
        raise PromotionRefused(f"{candidate.uri} is no MLflow model: it is a single file")
    if found.is_relative_to(place.resolve()):
        found.rename(target)
    else:  # a store on this machine may answer with its own folder
        shutil.copytree(found, target, symlinks=True)
    (target / _ADDED_BY_DOWNLOAD).unlink(missing_ok=True)


def facts(model: Path) -> Facts:
    """What the gate must know of a downloaded model folder."""
    files = {str(path.relative_to(model)): path.stat().st_size for path in model.rglob("*") if path.is_file()}
    path = model / "requirements.txt"
    wanted = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return Facts(mlmodel(model), files, recipe.asked(wanted))


def stored_sizes(candidate: Candidate) -> dict[str, int]:
    """Path and size in bytes of each file of the artifact, as its store lists them; {} where it can't be asked."""
    if candidate.local:
        return {}
    with mlflow_said():
        if candidate.model_id:
            listing = partial(MlflowClient().list_logged_model_artifacts, candidate.model_id)
            return dict(_listed(listing, ""))
        if candidate.uri.startswith("runs:/"):
            path = candidate.uri.removeprefix(f"runs:/{candidate.run}/")
            found = dict(_listed(partial(MlflowClient().list_artifacts, candidate.run), path))
            return {name.removeprefix(f"{path}/"): size for name, size in found.items()}
    return {}


def _listed(listing: Callable[[str | None], Iterable[FileInfo]], below: str) -> Iterator[tuple[str, int]]:
    for entry in listing(below or None):
        if entry.is_dir:
            yield from _listed(listing, entry.path)
        elif entry.file_size is not None:
            yield entry.path, int(entry.file_size)
