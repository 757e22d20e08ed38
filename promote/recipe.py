"""A model's recorded requirements → its environment in full: every package at its exact version.

Resolved by uv once, at promotion, for the Python the model was logged under. Two things are left out: torch's
local version label (`+cpu`), which names a build and not a version, and the CUDA libraries, which torch's own
builds pin exactly and a machine without a GPU has no use for.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

from promote.errors import PromotionRefused
from serve.artifact.snapshot import Recipe, recorded_python
from serve.errors import EnvironmentFailed
from serve.worker.environment import find_python, uv

_TORCH_LABEL = re.compile(r"^((?:torch|torchvision|torchaudio)==[^+\s;]+)\+\S+")
_BROUGHT_BY_TORCH = re.compile(r"^(nvidia-|cuda-|triton)")


async def resolve(model: Path, timeout_seconds: float) -> Recipe:
    """The recipe of the model folder, in full; `PromotionRefused` names what can't be resolved."""
    python = recorded_python(model)
    try:
        interpreter = await find_python(Recipe(python, ()), timeout_seconds)
        resolved = await uv(
            (
                "pip",
                "compile",
                "--quiet",
                "--no-config",
                "--no-header",
                "--no-annotate",
                "--no-emit-index-url",
                "--no-emit-find-links",
                "--python",
                interpreter,
                str(model / "requirements.txt"),
            ),
            timeout_seconds,
        )
    except EnvironmentFailed as error:
        raise PromotionRefused(f"its environment can't be resolved: {error.message}") from error
    asked = (model / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return Recipe(python, tuple(sorted(_portable(resolved.splitlines(), asked))))


def text(recipe: Recipe) -> str:
    """The recipe as the content of environment.txt."""
    return "\n".join(recipe.requirements) + "\n"


def _portable(resolved: Iterable[str], asked: Iterable[str]) -> list[str]:
    names = {Requirement(line).name for line in map(str.strip, asked) if line and not line.startswith("#")}
    lines = filter(None, map(str.strip, resolved))
    kept = (line for line in lines if not _BROUGHT_BY_TORCH.match(line) or Requirement(line).name in names)
    return [_TORCH_LABEL.sub(r"\1", line) for line in kept]
