"""The gate before anything is built: facts about a candidate in, reasons against it out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from promote import example
from promote.errors import plain
from promote.source import Candidate
from serve.artifact import listing
from serve.artifact.pin import LONGEST_NAME

_DVCS_FOLDERS = frozenset((".dvc", ".git", ".hg"))
_DVCS_FILES = frozenset((".dvcignore", "dvc.yaml", "dvc.lock"))
_DEEPEST = "n" * LONGEST_NAME + "/model/"  # where its files may come to lie, below models/
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What the downloaded model folder holds: its MLmodel, its files with their sizes, its requirement lines."""

    mlmodel: Mapping[str, Any]
    files: Mapping[str, int]
    requirements: tuple[str, ...]


def verdict(candidate: Candidate, facts: Facts, known_sizes: Mapping[str, int]) -> list[str]:
    """Every reason against promoting; none where the candidate passes.

    `known_sizes` is what the store says of the artifact's files, in bytes; empty where it does not say.
    """
    return [
        *_of_source(candidate),
        *_of_wholeness(facts, known_sizes),
        *_of_names(facts),
        *_of_model(facts),
        *_of_recipe(facts),
    ]


def _of_source(candidate: Candidate) -> list[str]:
    reasons = []
    if candidate.run and candidate.status != "FINISHED":
        reasons.append(f"run {candidate.run} is {candidate.status}, not FINISHED")
    if candidate.model_id and candidate.model_status != "READY":
        reasons.append(f"model {candidate.model_id} is {candidate.model_status}, not READY: it was not logged whole")
    return reasons


def _of_wholeness(facts: Facts, known_sizes: Mapping[str, int]) -> list[str]:
    reasons = [f"the artifact lacks {path}, which its store lists" for path in known_sizes if path not in facts.files]
    return reasons + [
        f"{path} has {facts.files[path]} bytes, and {size} in its store"
        for path, size in known_sizes.items()
        if path in facts.files and facts.files[path] != size
    ]


def _of_names(facts: Facts) -> list[str]:
    """DVC leaves such files out of what it keeps, or refuses the whole folder for them; and `serve` does these."""
    kept = [path for path in facts.files if _is_dvcs_own(path)]
    unfit = {path: told for path in facts.files if (told := listing.flaw(_DEEPEST + path))}
    reasons = [f"it holds {plain(path, 80)}, a name that DVC or git keeps for itself" for path in sorted(kept)]
    reasons += [
        f"it holds {listing.shown(path)}, which {told}; log it under another name"
        for path, told in sorted(unfit.items())
    ]
    return reasons[:_MOST_TOLD]


def _is_dvcs_own(path: str) -> bool:
    *folders, name = path.split("/")
    return not _DVCS_FOLDERS.isdisjoint(folders) or name in _DVCS_FILES or name.endswith(".dvc")


def _of_model(facts: Facts) -> list[str]:
    reasons = []
    if "python_function" not in _section(facts.mlmodel, "flavors"):
        reasons.append("it has no python_function flavor, so mlflow.pyfunc can't load it")
    if not _section(facts.mlmodel, "signature").get("inputs"):
        reasons.append("it has no signature: log it with signature=infer_signature(inputs, outputs)")
    path = example.file(facts.mlmodel)
    if path not in facts.files:
        reasons.append("it has no input example: log it with input_example=… (several rows are best)")
    elif facts.files[path] > example.MOST_BYTES:
        most = example.MOST_BYTES // 2**20
        reasons.append(f"its input example has {facts.files[path] // 2**20} MiB, and may have {most}: log fewer rows")
    return reasons


def _section(mlmodel: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = mlmodel.get(key)
    return section if isinstance(section, dict) else {}


def _of_recipe(facts: Facts) -> list[str]:
    if "requirements.txt" not in facts.files:
        return ["it has no requirements.txt, so its environment is not known"]
    return [reason for line in facts.requirements if (reason := _of_requirement(line)) is not None]


def _of_requirement(line: str) -> str | None:
    """Only names and versions: an option, address or path could bring in anything."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return f"its requirement '{plain(line, 80)}' is not of the form name==version"
    told = f"its requirement '{plain(line, 80)}' names an address; only name==version is taken"
    return told if requirement.url else None
