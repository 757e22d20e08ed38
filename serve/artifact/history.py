"""What git knows of models.dvc: when each pin was made, and which commit pinned a model. Only reads.

Works on a detached HEAD, a shallow clone, and beside a stale index.lock; without git or a commit the answer is
simply that nothing is known.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.artifact import git
from serve.artifact.pin import FILENAME, MAX_BYTES, Pin, PinnedModel, read
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


def releases(repo: Path, revision: str = "HEAD", most: int | None = None) -> tuple[Release, ...]:
    """The commits that changed models.dvc up to `revision` (or '--all'), newest first; all, or as many as `most`."""
    bound = [] if most is None else [f"--max-count={most}"]
    told = git.answer(repo, "log", *bound, "--format=%H%x1f%cI%x1f%an%x1f%s", revision, "--", f"./{FILENAME}")
    lines = [line for line in (told or b"").decode(errors="replace").split("\n") if line]  # a subject may hold others
    facts = [line.split("\x1f", 3) for line in lines]
    pins = _pins_at(repo, [commit for commit, *_ in facts])
    return tuple(
        Release(commit, date, author, subject, pin)
        for (commit, date, author, subject), pin in zip(facts, pins, strict=False)
    )


def pin_at(repo: Path, revision: str) -> tuple[str, Pin | None] | None:
    """The commit that `revision` names, with its pin (None: none that can be read); None where it names no commit."""
    named = git.answer(repo, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not named:
        return None
    commit = named.decode().strip()
    return commit, next(iter(_pins_at(repo, [commit])), None)


def beside(found: Sequence[Release]) -> list[tuple[Release, Release | None]]:
    """Each of these, the newest first, with the one it is compared with: the one before it whose pin can be read."""
    pairs: list[tuple[Release, Release | None]] = []
    older = None
    for one in reversed(found):
        pairs.append((one, older))
        older = one if one.pin is not None else older
    return pairs[::-1]


def listed(one: Release, older: Release | None, *, live: bool | None) -> dict[str, Any]:
    """One release as JSON, beside the one before it; `live` is None where nobody knows."""
    before = {model.name: model.digest for model in older.pin.models} if older and older.pin else {}
    models = one.pin.models if one.pin else ()
    return {
        "revision": one.revision,
        "date": one.date,
        "author": one.author,
        "subject": one.subject,
        "readable": one.pin is not None,
        "live": live,
        "models": {
            model.name: {
                "digest": model.digest,
                "run": model.run,
                "metrics": dict(model.metrics),
                "change": _change(before.get(model.name), model.digest),
            }
            for model in models
        },
        "removed": sorted(before.keys() - {model.name for model in models}) if one.pin else [],
    }


def _change(before: str | None, digest: str) -> str:
    return "added" if before is None else "kept" if before == digest else "changed"


def holding(repo: Path, data: bytes) -> tuple[str, ...]:
    """Every commit of HEAD, a branch or a tag whose models.dvc is these very bytes, the oldest first."""
    blob = (git.answer(repo, "hash-object", "--stdin", given=data) or b"").decode().strip()
    walked = git.answer(repo, "rev-list", "--reverse", "--topo-order", "HEAD", "--branches", "--tags") or b""
    commits = walked.decode().split()
    told = git.answer(repo, "cat-file", "--batch-check=%(objectname)", given=_asked(repo, commits)) or b""
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


def _asked(repo: Path, commits: Iterable[str]) -> bytes:
    """The models.dvc of each of these commits, as git is asked for it."""
    below = (git.answer(repo, "rev-parse", "--show-prefix") or b"").decode(errors="surrogateescape").strip("\n")
    return "".join(f"{commit}:{below}{FILENAME}\n" for commit in commits).encode(errors="surrogateescape")


def _pins_at(repo: Path, commits: list[str]) -> list[Pin | None]:
    """The pin in each of these commits; None where there is none, or none that can be read."""
    if not commits:
        return []
    form = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
    told = git.answer(repo, "cat-file", form, given=_asked(repo, commits)) or b""
    # What a commit lacks is told as '<what was asked> missing', a line as well.
    blobs = [_small_blob(line) for line in told.decode(errors="surrogateescape").split("\n")[: len(commits)]]
    pins = _pins(repo, [one for one in dict.fromkeys(blobs) if one is not None])
    return [pins.get(one) if one is not None else None for one in blobs]


def _small_blob(line: str) -> str | None:
    """The object in a line of git's answer, where it may be a pin: others are not asked for."""
    name, kind, size = [*line.rsplit(" ", 2), "", ""][:3]
    return name if kind == "blob" and int(size) <= MAX_BYTES else None


def _pins(repo: Path, blobs: list[str]) -> dict[str, Pin | None]:
    """The pin in each of these objects, all asked of one git."""
    told = git.answer(repo, "cat-file", "--batch", given="".join(f"{one}\n" for one in blobs).encode()) or b""
    found, at = {}, 0
    while (end := told.find(b"\n", at)) > 0:  # '<hash> blob <bytes>', the bytes, a line end
        name, _, size = told[at:end].decode().split(" ")
        found[name] = _parsed(told[end + 1 : end + 1 + int(size)])
        at = end + int(size) + 2
    return found


@functools.lru_cache(maxsize=1024)  # reading YAML takes milliseconds, and the same few bytes are asked for again
def _parsed(data: bytes) -> Pin | None:
    try:
        return read(data)
    except PinUnreadable:
        return None
