"""What git knows of models.dvc: when each pin was made, and which commit pinned a model. Only reads.

Works on a detached HEAD, a shallow clone, and beside a stale index.lock; without git or a commit the answer is
simply that nothing is known.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from serve.artifact.pin import FILENAME, Pin, PinnedModel, read
from serve.errors import PinUnreadable

UNCOMMITTED = "uncommitted"


@dataclass(frozen=True, slots=True)
class Release:
    """One commit that changed models.dvc: its hash, ISO date, author, subject, and the pin (None: unreadable)."""

    revision: str
    date: str
    author: str
    subject: str
    pin: Pin | None


def releases(repo: Path, revision: str = "HEAD") -> tuple[Release, ...]:
    """Every commit that changed models.dvc up to `revision` (or '--all'), newest first."""
    told = _git(repo, "log", "--format=%H%x1f%cI%x1f%an%x1f%s", revision, "--", f"./{FILENAME}")
    found = []
    for line in (told or b"").decode(errors="replace").split("\n"):  # a subject may hold other line ends
        if not line:
            continue
        commit, date, author, subject = line.split("\x1f", 3)
        found.append(Release(commit, date, author, subject, _pin_at(repo, commit)))
    return tuple(found)


def revisions(repo: Path, pin: Pin) -> dict[str, str]:
    """For each model of `pin`, the commit that first pinned it with this digest; else 'uncommitted'."""
    wanted = {model.name: model for model in pin.models}
    found = dict.fromkeys(wanted, UNCOMMITTED)
    for release in releases(repo, "--all"):  # newest first: the last one seen is the first that pinned it
        for name, model in wanted.items():
            if release.pin is not None and _same(release.pin, model):
                found[name] = release.revision
    return found


def _same(pin: Pin, model: PinnedModel) -> bool:
    return any(other.name == model.name and other.digest == model.digest for other in pin.models)


def _pin_at(repo: Path, commit: str) -> Pin | None:
    data = _git(repo, "show", f"{commit}:./{FILENAME}")
    try:
        return read(data) if data is not None else None
    except PinUnreadable:
        return None


def _git(repo: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(repo), *arguments], capture_output=True, check=False
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
