"""A model's recorded requirements → its environment in full: every package at its exact version.

Resolved by uv once, at promotion, for the Python the model was logged under. Two things are left out: torch's
local version label (`+cpu`), which names a build and not a version, and the CUDA libraries, which torch's own
builds pin exactly and a machine without a GPU has no use for.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from promote.errors import PromotionRefused, plain
from serve.artifact import hashes
from serve.artifact.snapshot import Recipe, recorded_python
from serve.errors import EnvironmentFailed
from serve.worker.environment import WHEELS_ONLY, find_python, require_supported, uv


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe, and the hashes of its packages as the content of hashes.txt."""

    recipe: Recipe
    hashes: str


_COMMENT = re.compile(r"(^|\s)#.*$")
_TORCH_LABEL = re.compile(r"^((?:torch|torchvision|torchaudio)==[^+\s;]+)\+[^\s;]+")
_BROUGHT_BY_TORCH = re.compile(r"^(nvidia-|cuda-|triton)")
_EXACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?==[^\s;,*]+(\s*;.*)?")


def asked(text: str) -> tuple[str, ...]:
    """The requirements in the content of a requirements.txt, without blanks and comments."""
    lines = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


async def resolve(model: Path, wanted: Iterable[str], timeout_seconds: float, from_source: bool) -> Resolved:
    """The recipe of the model folder, whose requirements are `wanted`, in full; or what can't be resolved."""
    python = recorded_python(model)
    try:
        require_supported(Recipe(python, ()))
        interpreter = await find_python(Recipe(python, ()), timeout_seconds)
        arguments = (
            *_COMPILE,
            *(() if from_source else WHEELS_ONLY),
            "--python",
            interpreter,
            str(model / "requirements.txt"),
        )
        resolved = await uv(arguments, timeout_seconds)
    except EnvironmentFailed as error:
        raise PromotionRefused(f"its environment can't be resolved: {error.message}") from error
    try:
        packages, recorded = hashes.packages(resolved), hashes.text(resolved)
    except ValueError as error:
        raise PromotionRefused(f"its environment holds what is not of the form name==version: {error}") from error
    return Resolved(Recipe(python, _exact(_portable(packages, wanted))), recorded)


_COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
)


def text(recipe: Recipe) -> str:
    """The recipe as the content of environment.txt."""
    return "\n".join(recipe.requirements) + "\n"


def _portable(resolved: Iterable[str], wanted: Iterable[str]) -> list[str]:
    named = {canonicalize_name(Requirement(line).name) for line in wanted}
    kept = (line for line in resolved if not _BROUGHT_BY_TORCH.match(line) or _name(line) in named)
    return [_TORCH_LABEL.sub(r"\1", line) for line in kept]


def _name(line: str) -> str:
    return canonicalize_name(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0])


def _exact(lines: Iterable[str]) -> tuple[str, ...]:
    """The same, sorted; a package that a requirement brings in from an address is refused."""
    for line in lines:
        if not _EXACT.fullmatch(line):
            raise PromotionRefused(
                f"its environment holds '{plain(line, 120)}', which is not of the form name==version"
            )
    return tuple(sorted(lines))
