"""A candidate's artifact, downloaded afresh into a staging folder; and what is there, as facts for the gate.

It is staged as it will be served: plain files that only can be read, and no empty folders, for DVC keeps neither
permissions nor these. What needs more fails in the rehearsal, and not in production.
"""

import os
import shutil
import stat
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
from serve.artifact import verify
from serve.artifact.snapshot import mlmodel

# MLflow adds this to what it loads from its registry, in a store on this machine too. It is no part of what was logged.
_ADDED_BY_DOWNLOAD = "registered_model_meta"


def download(candidate: Candidate, staging: Path, seconds: float) -> Path:
    """The model's files in `staging`/model, byte for byte as logged; MLflow may take so many seconds to give them."""
    target = staging / "model"
    if candidate.local:
        _copy(Path(candidate.uri), target)
    else:
        _from_store(candidate, staging / "download", target, seconds)
    _as_served(target)
    if not (target / "MLmodel").is_file():
        raise PromotionRefused(f"{candidate.uri} is no MLflow model: it holds no MLmodel file")
    return target


def _copy(source: Path, target: Path) -> None:
    """A folder's files, all of one moment: refused where one was written meanwhile."""
    try:
        shutil.copytree(source, target, symlinks=True, copy_function=_copy_plain)
        changed = verify.manifest(source) != verify.manifest(target)
    except shutil.Error as error:  # one entry a file that could not be read
        raise PromotionRefused(f"{source} can't be copied: {error.args[0][0][2]}") from error
    except FileNotFoundError:
        changed = True
    if changed:
        raise PromotionRefused(f"{source} was changed while it was copied: run it again")


def _copy_plain(source: str, target: str) -> None:
    """A device has no end, and a pipe may have none to write into it."""
    if not stat.S_ISREG(os.stat(source, follow_symlinks=False).st_mode):
        raise PromotionRefused(f"{source} is a pipe or a device; only plain files are pinned")
    shutil.copyfile(source, target)


def _as_served(model: Path) -> None:
    for root, _, files in os.walk(model, topdown=False):
        for path in (Path(root, name) for name in files):
            if not path.is_symlink():  # which is refused as soon as the files are hashed
                path.chmod(0o444)
        Path(root).chmod(0o755)
        if not any(Path(root).iterdir()) and Path(root) != model:
            Path(root).rmdir()


def _from_store(candidate: Candidate, place: Path, target: Path, seconds: float) -> None:
    place.mkdir()
    with mlflow_said(seconds):
        found = Path(mlflow.artifacts.download_artifacts(candidate.uri, dst_path=str(place))).resolve()
    if not found.is_dir():
        raise PromotionRefused(f"{candidate.uri} is no MLflow model: it is a single file")
    if found.is_relative_to(place.resolve()):
        found.rename(target)
    else:  # a store on this machine may answer with its own folder
        _copy(found, target)
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
    found = _stored(candidate)
    found.pop(_ADDED_BY_DOWNLOAD, None)
    return found


def _stored(candidate: Candidate) -> dict[str, int]:
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
