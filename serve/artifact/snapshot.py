"""One model's verified, read-only folder, opened: its bytes hashed once more, its facts read.

    model/            the MLflow model, byte for byte as logged
    environment.txt   every package of its environment, `name==version` a line
    golden.json       requests and the answers the served model must reproduce
    promotion.json    run, metrics, params, who, when, checks
    hashes.txt        every package with the hashes its files may have (see `hashes`)
    model.sig         who signed all the others, where it was signed (see `statement`)

The last two may be missing, as they are from older promotions. Nothing is executed or imported here; what can't be
read is `SnapshotUnreadable`.
"""

import contextlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from serve import files, scratch
from serve.artifact.fetch import Store
from serve.artifact.pin import PinnedModel
from serve.artifact.verify import require
from serve.errors import DigestMismatch, SnapshotUnreadable
from serve.signature.spec import Signature, parse

_MOST_BYTES = 64 * 2**20
_RUN = re.compile(r"[!-~]{0,250}")
# Neither '$' nor '\\', which uv and pip would expand and join, nor '#' or ' --', where more would begin.
_EXACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]*\])? ?== ?[A-Za-z0-9.!+_-]+( ?;[^\\$#;]*)?")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recorded environment: Python's version ('3.11.7') and every package, sorted.

    With `hashes`, lines of a requirements file, it is made of exactly the files that have them.
    """

    python: str
    requirements: tuple[str, ...]
    hashes: tuple[str, ...] = ()

    @property
    def python_minor(self) -> str:
        return ".".join(self.python.split(".")[:2])


@dataclass(frozen=True, slots=True)
class Promotion:
    """What the promotion recorded of one model."""

    run: str
    metrics: Mapping[str, float]
    batchable: bool
    recorded: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Golden:
    """Requests ('request': a body of /predict) with the answers they must get ('predictions'), within tolerance."""

    cases: tuple[Mapping[str, Any], ...]
    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One model ready to be loaded from `folder`/model."""

    name: str
    digest: str
    folder: Path
    signature: Signature
    recipe: Recipe
    promotion: Promotion
    golden: Golden

    @property
    def model_folder(self) -> Path:
        return self.folder / "model"


def verified(store: Store, model: PinnedModel) -> Snapshot:
    """Hash the stored folder against the pin and open it; `DigestMismatch` or `SnapshotUnreadable` otherwise.

    A stored folder that does not match is removed, so that the next try pulls it afresh.
    """
    folder = store.snapshot(model)
    try:
        require(folder, model.name, model.digest)
    except DigestMismatch:
        with contextlib.suppress(OSError):  # in a read-only state folder it stays, and is refused each time
            scratch.discard(store.state, folder)
        raise
    return opened(folder, model.name, model.digest)


def opened(folder: Path, name: str, digest: str) -> Snapshot:
    """The facts of a folder laid out as above, whose bytes the caller has verified."""
    promotion = _json(folder / "promotion.json")
    golden = _json(folder / "golden.json")
    try:
        return Snapshot(
            name,
            digest,
            folder,
            signature(folder / "model"),
            recipe(folder),
            Promotion(
                _run(promotion.get("run", "")),
                _metrics(promotion.get("metrics", {})),
                bool(promotion["batchable"]),
                promotion,
            ),
            Golden(tuple(map(_case, golden["cases"])), float(golden["rtol"]), float(golden["atol"])),
        )
    except KeyError as error:
        raise SnapshotUnreadable(f"model '{name}': promotion.json or golden.json lacks {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SnapshotUnreadable(f"model '{name}': promotion.json or golden.json is unreadable ({error})") from error


def _run(recorded: Any) -> str:
    """The run's id, which answers have in a header."""
    if not isinstance(recorded, str) or _RUN.fullmatch(recorded) is None:
        raise ValueError("its run is no id of one")
    return recorded


def _metrics(recorded: Mapping[str, Any]) -> Mapping[str, float]:
    """By name, and finite, as JSON can say them."""
    if not all(name.isprintable() and math.isfinite(value) for name, value in recorded.items()):
        raise ValueError("a metric is no finite number")
    return dict(recorded)


def recipe(folder: Path) -> Recipe:
    """The environment recorded in a folder laid out as above."""
    return Recipe(recorded_python(folder / "model"), requirements(folder / "environment.txt"))


def _case(recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"request": recorded["request"], "predictions": recorded["predictions"]}


def signature(model: Path) -> Signature:
    """The signature recorded in the MLflow model folder."""
    try:
        recorded = mlmodel(model)
        return parse(recorded.get("signature"), type_hint=bool(recorded.get("is_signature_from_type_hint")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotUnreadable(f"{model.parent.name}/MLmodel: its signature is unreadable ({error})") from error


def mlmodel(model: Path) -> Mapping[str, Any]:
    """The MLmodel file of an MLflow model folder."""
    return _yaml(model / "MLmodel")


def recorded_python(model: Path) -> str:
    """The Python version the model was logged under: python_env.yaml's word, else the pyfunc flavor's."""
    if (model / "python_env.yaml").is_file():
        version = _yaml(model / "python_env.yaml").get("python")
    else:
        version = _section(_section(mlmodel(model), "flavors"), "python_function").get("python_version")
    if not isinstance(version, str) or len(version.split(".")) < 2:
        raise SnapshotUnreadable("the model's recipe names no Python version (python_env.yaml, 'python: 3.11.7')")
    return version


def _section(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What stands at `key`; nothing where that is no mapping."""
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def requirements(path: Path) -> tuple[str, ...]:
    """The packages in an environment.txt; every line must be `name==version`, with a marker at most."""
    try:
        lines = [line.strip() for line in text_of(path).split("\n")]
    except (OSError, ValueError) as error:
        raise SnapshotUnreadable(f"{path.name} can't be read: {error}") from error
    found = sorted(line for line in lines if line and not line.startswith("#"))
    for line in found:
        require_exact(line, path.name)
    return tuple(found)


def require_exact(line: str, file: str) -> Requirement:
    """The requirement in one line, which is `name==version`, with a marker at most; `SnapshotUnreadable` otherwise.

    What other tools might take for more than it says here is refused with it: a variable, a line that goes on.
    """
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        raise SnapshotUnreadable(f"{file}: {line[:80]!r} is not name==version") from error
    exact = [one.operator == "==" and not one.version.endswith(".*") for one in requirement.specifier]
    plain = line.isascii() and line.isprintable() and _EXACT.fullmatch(line) is not None
    if requirement.url or exact != [True] or not plain:
        raise SnapshotUnreadable(f"{file}: {line[:80]!r} is not name==version")
    return requirement


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        document = YAML(typ="safe", pure=True).load(text_of(path))
    except (OSError, YAMLError, ValueError, RecursionError) as error:
        raise SnapshotUnreadable(f"{path.name} can't be read: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict):
        raise SnapshotUnreadable(f"{path.name} is not a mapping")
    return document


def _json(path: Path) -> Any:
    try:
        document = json.loads(text_of(path), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise SnapshotUnreadable(f"{path.name} can't be read: {error}") from error
    if not isinstance(document, dict):
        raise SnapshotUnreadable(f"{path.name} is not an object")
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def text_of(path: Path) -> str:
    """What a promotion wrote there, which is not much; ValueError where it is."""
    data = files.head(path, _MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it has over {_MOST_BYTES} bytes")
    return data.decode("utf-8")
