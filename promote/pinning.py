"""A staged model → `models.dvc`: added and pushed from a scratch checkout, read back from the remote, committed.

In this order, so that a kill at any point leaves HEAD's models.dvc resolvable and the work tree's too: add and
push (only new objects appear), read back what the remote now holds into an empty cache and hash it, then
replace models.dvc, then commit it alone. A failed commit puts models.dvc back.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from promote.errors import PromotionRefused
from serve.artifact import dvc, pin, verify
from serve.artifact.fetch import Store
from serve.artifact.pin import FILENAME, FOLDER, Pin, PinnedModel
from serve.errors import PinUnreadable, RolloutFailed

_TRANSFER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pin that the remote holds whole, and what it says of the model just promoted."""

    pin: Pin
    model: PinnedModel


@contextlib.contextmanager
def one_at_a_time(repo: Path) -> Iterator[None]:
    """Promotions in one repository take turns; one that waits for ten minutes is told."""
    lock = FileLock(git(repo, "rev-parse", "--git-path", "pinion-promote.lock", path=True))
    try:
        with lock.acquire(timeout=600):
            yield
    except Timeout:
        raise PromotionRefused("another promotion has been running in this repository for ten minutes") from None


def require_repository(repo: Path) -> None:
    """Refuse where no commit could be made, before any work is done."""
    if not (repo / ".git").exists() or not (repo / ".dvc" / "config").is_file():
        raise PromotionRefused(f"{repo} is not the top of a repository of both git and DVC (git init; dvc init)")
    if dvc.default_remote(repo) is None:
        raise PromotionRefused("DVC has no default remote to push to: dvc remote add --default origin <where>")
    for state in ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD"):
        if Path(git(repo, "rev-parse", "--git-path", state, path=True)).exists():
            raise PromotionRefused("a merge, rebase, cherry-pick or revert is in progress: finish or abort it first")
    index_lock = Path(git(repo, "rev-parse", "--git-path", "index.lock", path=True))
    if index_lock.exists():
        raise PromotionRefused(f"{index_lock} is there: another git runs, or one was killed; then remove the file")
    git(repo, "var", "GIT_COMMITTER_IDENT")


def current(repo: Path) -> Pin | None:
    """The pin in the work tree, which a promotion builds on; None where there is no models.dvc yet."""
    if not (repo / FILENAME).is_file():
        return None
    try:
        return pin.read((repo / FILENAME).read_bytes())
    except PinUnreadable as error:
        raise PromotionRefused(f"{error.message}; restore it with git checkout -- {FILENAME}") from error


async def push(store: Store, before: Pin | None, staged: Path, model: PinnedModel) -> Pinned:
    """`staged` takes its place beside the other models of `before`, in the remote, proven by reading it back."""
    try:
        with dvc.checkout(store.repo, store.state) as checkout:
            if before is not None:
                (checkout.folder / FILENAME).write_bytes(pin.write(before))
                await dvc.run(checkout, "pull", "--force", FILENAME, timeout_seconds=_TRANSFER_SECONDS)
            folder = checkout.folder / FOLDER / model.name
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(staged, folder)
            await dvc.run(checkout, "add", FOLDER, timeout_seconds=_TRANSFER_SECONDS)
            added = _added(checkout.folder / FILENAME, before, model)
            (checkout.folder / FILENAME).write_bytes(pin.write(added))
            await dvc.run(checkout, "push", FILENAME, timeout_seconds=_TRANSFER_SECONDS)
        await read_back(store, added)
    except RolloutFailed as error:
        raise PromotionRefused(error.message) from error
    return Pinned(added, model)


def _added(path: Path, before: Pin | None, model: PinnedModel) -> Pin:
    """The pin for what `dvc add` wrote: its object, and the models of before with this one in its place."""
    out = pin.read_out(path.read_bytes())
    others = tuple(one for one in (before.models if before else ()) if one.name != model.name)
    return replace(out, models=tuple(sorted((*others, model), key=lambda one: one.name)))


async def read_back(store: Store, pushed: Pin) -> None:
    """Pull `pushed` with an empty cache, from the remote alone, and hash every model of it."""
    with dvc.checkout(store.repo, store.state, private_cache=True) as checkout:
        (checkout.folder / FILENAME).write_bytes(pin.write(pushed))
        await dvc.run(checkout, "pull", FILENAME, timeout_seconds=_TRANSFER_SECONDS)
        for model in pushed.models:
            folder = checkout.folder / FOLDER / model.name
            await asyncio.to_thread(verify.require, folder, model.name, model.digest)


def commit(repo: Path, pinned: Pinned, message: str) -> str:
    """models.dvc as `pinned` says, in one commit that holds nothing else → its revision."""
    path = repo / FILENAME
    before = path.read_bytes() if path.is_file() else None
    _replace(path, pin.write(pinned.pin))
    try:
        if before is None or not _tracked(repo):
            git(repo, "add", "--intent-to-add", "--", FILENAME)
        git(repo, "commit", "--quiet", "--only", f"--message={message}", "--", FILENAME)
    except BaseException:
        if before is None:
            git(repo, "reset", "--quiet", "--", FILENAME)
            path.unlink(missing_ok=True)
        else:
            _replace(path, before)
        raise
    return git(repo, "rev-parse", "HEAD")


async def fill_work_tree(store: Store) -> str:
    """Bring `models/` in the work tree to what models.dvc says now → '' or why DVC would not."""
    try:
        await dvc.run(dvc.Scratch(store.repo, Path()), "checkout", FILENAME, timeout_seconds=_TRANSFER_SECONDS)
    except RolloutFailed as error:
        return error.message
    return ""


def other_changes(repo: Path) -> int:
    """How many files besides models.dvc differ from HEAD."""
    lines = git(repo, "status", "--porcelain").splitlines()
    return sum(1 for line in lines if not line.endswith(FILENAME))


def committed(repo: Path) -> bool:
    """Whether the work tree's models.dvc is HEAD's."""
    return _tracked(repo) and git(repo, "status", "--porcelain", "--", FILENAME) == ""


def _tracked(repo: Path) -> bool:
    return git(repo, "ls-files", "--", FILENAME) != ""


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all: whoever watches the file never reads half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


def git(repo: Path, *arguments: str, path: bool = False) -> str:
    """git's answer; its own words as `PromotionRefused` where it fails. With `path`, made absolute."""
    done = subprocess.run(["git", "-C", str(repo), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise PromotionRefused(f"git {arguments[0]} failed: {' '.join(told)[:400] or 'it gave no reason'}")
    answer = done.stdout.strip()
    return str((repo / answer).resolve()) if path else answer
