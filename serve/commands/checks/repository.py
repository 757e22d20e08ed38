"""The repository: that it is one, that models.dvc can be read, and that it is what HEAD has."""

from collections.abc import Iterator
from pathlib import Path

from serve.artifact import commits, git, history
from serve.artifact.pin import FILENAME, Pin
from serve.artifact.trust import CommitPolicy, Trust
from serve.artifact.watch import look, pinned
from serve.commands.checks.check import Check, bad, good, note
from serve.errors import CommitRefused, PinUnreadable


def readable(repo: Path) -> tuple[Pin | None, list[Check]]:
    """What models.dvc pins, as it is in the work tree; None where it can't be read."""
    if not repo.is_dir():
        return None, [bad("repository", f"there is no folder {repo}", "name the git repository with --repo")]
    found = [_repository(repo)]
    try:
        pin = pinned(repo)
    except PinUnreadable as error:
        mend = f"promote a model, or git checkout HEAD -- {FILENAME}, or name another --repo"
        return None, [*found, bad(FILENAME, error.message, mend)]
    names = ", ".join(model.name for model in pin.models)
    return pin, [*found, good(FILENAME, f"{names}: {pin.size / 1e6:.1f} MB in {pin.files} files")]


def _repository(repo: Path) -> Check:
    top = git.answer(repo, "rev-parse", "--show-toplevel")
    if top is not None:
        return good("repository", str(repo))
    done = None
    try:
        done = git.ask(repo, "rev-parse", "--show-toplevel")
    except OSError:
        return bad("repository", "git can't be asked", "install git")
    if b"dubious ownership" in done.stderr:
        mend = f"git config --global --add safe.directory {repo}"
        return note("repository", f"{repo} is another user's: git tells nothing of it", mend)
    mend = "clone the repository, with its .git folder: without it answers name no commit, and there is no history"
    return note("repository", f"{repo} is no git repository", mend)


def verified(repo: Path, pin: Pin, trust: Trust) -> Iterator[Check]:
    """Whether a commit whose signature verifies has it, where that is asked."""
    if trust.commits is CommitPolicy.NONE:
        return
    try:
        found = commits.origin(repo, pin, trust)
    except CommitRefused as error:
        yield bad("commit", error.message, f"have a signer commit {FILENAME} as it is: docs/trust.md")
        return
    if found is not None:
        yield good("commit", f"{found.revision[:12]}, signed by {found.signer}")


def default(name: str | None, pin: Pin) -> Iterator[Check]:
    """Whether the model that is meant where none is named is one of those pinned."""
    names = [model.name for model in pin.models]
    if name is not None and name not in names:
        mend = f"set PINION_ROLLOUT__DEFAULT_MODEL to one of {', '.join(names)}, or promote {name}"
        yield note("default", f"{FILENAME} pins no {name}: who names no model is answered 404", mend)


def committed(repo: Path, pin: Pin) -> Iterator[Check]:
    """Whether git has this very models.dvc, and whether it is HEAD's."""
    head = history.pin_at(repo, "HEAD")
    if head is None:
        return
    if head[1] == pin:
        yield good("HEAD", f"{head[0][:12]} pins what the work tree does")
        return
    holding = history.holding(repo, look(repo))
    if holding:
        mend = f"nothing, where that is a rollback; git checkout HEAD -- {FILENAME} goes back to it"
        yield note("HEAD", f"the work tree has {FILENAME} of {holding[0][:12]}, HEAD another", mend)
    else:
        mend = f"git diff HEAD -- {FILENAME} shows it; commit it, or git checkout HEAD -- {FILENAME}"
        yield note("HEAD", f"no commit has the work tree's {FILENAME}", mend)
