"""What git knows of models.dvc: when each pin was made, and which commit pinned a model. Only reads.

Works on a detached HEAD, a shallow clone, and beside a stale index.lock; without git or a commit the answer is
simply that nothing is known.
"""

from dataclasses import dataclass
from pathlib import Path

from serve.artifact import git
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
    told = git.answer(repo, "log", "--format=%H%x1f%cI%x1f%an%x1f%s", revision, "--", f"./{FILENAME}")
    found = []
    for line in (told or b"").decode(errors="replace").split("\n"):  # a subject may hold other line ends
        if not line:
            continue
        commit, date, author, subject = line.split("\x1f", 3)
        found.append(Release(commit, date, author, subject, _pin_at(repo, commit)))
    return tuple(found)


def holding(repo: Path, data: bytes) -> tuple[str, ...]:
    """Every commit of HEAD, a branch or a tag whose models.dvc is these very bytes, the oldest first."""
    blob = (git.answer(repo, "hash-object", "--stdin", given=data) or b"").decode().strip()
    below = (git.answer(repo, "rev-parse", "--show-prefix") or b"").decode(errors="surrogateescape").strip("\n")
    walked = git.answer(repo, "rev-list", "--reverse", "--topo-order", "HEAD", "--branches", "--tags") or b""
    commits = walked.decode().split()
    asked = "".join(f"{commit}:{below}{FILENAME}\n" for commit in commits).encode(errors="surrogateescape")
    told = git.answer(repo, "cat-file", "--batch-check=%(objectname)", given=asked) or b""
    # What a commit lacks is told as '<what was asked> missing', a line as well.
    found = told.decode(errors="surrogateescape").split("\n")
    return tuple(commit for commit, one in zip(commits, found, strict=False) if one == blob)


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
    data = git.answer(repo, "cat-file", "blob", f"{commit}:./{FILENAME}")
    try:
        return read(data) if data is not None else None
    except PinUnreadable:
        return None
