"""hashes.txt ⇄ data: each package of a model's environment with the hashes its files may have. Pure, but for reading.

A requirements file of one line a package, `name==version --hash=sha256:… --hash=sha256:…`, with a marker at most, and
nothing else. It holds what was resolved at promotion in full, so it may name packages that environment.txt leaves out,
and the build of torch, which a hash is of.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from serve.artifact.snapshot import Recipe, require_exact, text_of
from serve.errors import HashesMissing, SnapshotUnreadable

FILENAME = "hashes.txt"
_LINE = re.compile(r"(?P<requirement>[^\\#]+?)(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)")
_CONTINUED = re.compile(r" *\\\n *")


def text(resolved: str) -> str:
    """What uv resolved, each package with its hashes, as the content of hashes.txt; ValueError where one has none."""
    lines = [line.strip() for line in _CONTINUED.sub(" ", resolved).splitlines()]
    kept = sorted(line for line in lines if line and not line.startswith("#"))
    for line in kept:
        _split(line)
    return "".join(f"{line}\n" for line in kept)


def packages(resolved: str) -> list[str]:
    """The packages in such a text, without their hashes."""
    return [_split(line)[0] for line in text(resolved).splitlines()]


def hashed(folder: Path, model: str, recipe: Recipe) -> Recipe:
    """The recipe with the hashes recorded in the model's folder, of each of its packages; `HashesMissing` without."""
    try:
        written = text_of(folder / FILENAME)
    except FileNotFoundError:
        raise HashesMissing(model) from None
    except (OSError, ValueError) as error:
        raise SnapshotUnreadable(f"{FILENAME} can't be read: {error}") from error
    lines = tuple(line for line in written.split("\n") if line)
    try:
        listed = {_identity(require_exact(_split(line)[0], FILENAME)) for line in lines}
    except ValueError as error:
        raise SnapshotUnreadable(f"{FILENAME}: {error}") from error
    lacking = _lacking(recipe.requirements, listed)
    if lacking:
        raise SnapshotUnreadable(f"{FILENAME} has no hashes of {', '.join(lacking[:5])}, which environment.txt names")
    return replace(recipe, hashes=lines)


def _lacking(requirements: Iterable[str], listed: set[tuple[str, str]]) -> list[str]:
    return [line for line in requirements if _identity(Requirement(line)) not in listed]


def _split(line: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"'{line[:80]}' is not name==version with hashes")
    return found["requirement"].strip(), found["hashes"]


def _identity(requirement: Requirement) -> tuple[str, str]:
    """Name and version, whatever the build."""
    (only,) = requirement.specifier
    return canonicalize_name(requirement.name), only.version.partition("+")[0]
