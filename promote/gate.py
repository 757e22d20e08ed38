"""The gate before anything is built: facts about a candidate in, reasons against it out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from promote.source import Candidate


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
    return [*_of_run(candidate), *_of_wholeness(facts, known_sizes), *_of_model(facts), *_of_recipe(facts)]


def _of_run(candidate: Candidate) -> list[str]:
    if candidate.run and candidate.status != "FINISHED":
        return [f"run {candidate.run} is {candidate.status}, not FINISHED"]
    return []


def _of_wholeness(facts: Facts, known_sizes: Mapping[str, int]) -> list[str]:
    reasons = [f"the artifact lacks {path}, which its store lists" for path in known_sizes if path not in facts.files]
    return reasons + [
        f"{path} has {facts.files[path]} bytes, and {size} in its store"
        for path, size in known_sizes.items()
        if path in facts.files and facts.files[path] != size
    ]


def _of_model(facts: Facts) -> list[str]:
    reasons = []
    if "python_function" not in (facts.mlmodel.get("flavors") or {}):
        reasons.append("it has no python_function flavor, so mlflow.pyfunc can't load it")
    if not (facts.mlmodel.get("signature") or {}).get("inputs"):
        reasons.append("it has no signature: log it with signature=infer_signature(inputs, outputs)")
    if example_file(facts.mlmodel) not in facts.files:
        reasons.append("it has no input example: log it with input_example=… (several rows are best)")
    return reasons


def example_file(mlmodel: Mapping[str, Any]) -> str:
    """Where the model keeps its example as a request body; '' where it has none."""
    return str((mlmodel.get("saved_input_example_info") or {}).get("serving_input_path") or "")


def _of_recipe(facts: Facts) -> list[str]:
    if "requirements.txt" not in facts.files:
        return ["it has no requirements.txt, so its environment is not known"]
    return [reason for line in facts.requirements if (reason := _of_requirement(line)) is not None]


def _of_requirement(line: str) -> str | None:
    """Only names and versions: an option, address or path could bring in anything."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return f"its requirement '{line[:80]}' is not of the form name==version"
    return f"its requirement '{line[:80]}' names an address; only name==version is taken" if requirement.url else None
