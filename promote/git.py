"""The repository, as git sees it: what a promotion needs of it before it begins, and the one commit it makes.

The commit holds models.dvc alone, whatever else is staged, changed or untracked. It fails as a whole: then
work tree and index are as they were. Git's own words reach the user in one line.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from promote.errors import PromotionRefused, plain
from serve.artifact import remote
from serve.artifact.pin import FILENAME, FOLDER

_IN_PROGRESS = ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD")
# Where git itself started us (a hook, an alias) these would point it elsewhere than at --repo.
_NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
_TURN_SECONDS = 600.0


def require_repository(repo: Path) -> None:
    """Refuse where no commit could be made or no remote is named, before any work is done."""
    if not (repo / ".git").exists() or not (repo / ".dvc" / "config").is_file():
        raise PromotionRefused(f"{repo} is not the top of a repository of both git and DVC (git init; dvc init)")
    if remote.default_remote(repo) is None:
        raise PromotionRefused("DVC has no default remote to push to: dvc remote add --default origin <where>")
    if any(_inside(repo, state).exists() for state in _IN_PROGRESS):
        raise PromotionRefused("a merge, rebase, cherry-pick or revert is in progress: finish or abort it first")
    _require_unlocked(repo)
    if not _holds(repo, "symbolic-ref", "--quiet", "HEAD"):
        raise PromotionRefused("HEAD is detached, so no branch would keep the commit: git switch <branch> first")
    committer(repo)


def committer(repo: Path) -> str:
    """The name that the commit will bear."""
    try:
        return git(repo, "var", "GIT_COMMITTER_IDENT").rsplit(" <", 1)[0]
    except PromotionRefused as error:
        raise PromotionRefused(
            "git does not know who commits: git config user.name <name>, git config user.email <address>"
        ) from error


@contextlib.contextmanager
def one_at_a_time(repo: Path, waits: Callable[[], None]) -> Iterator[None]:
    """Promotions in one repository take turns; `waits` is called where this one must, at most ten minutes."""
    lock = FileLock(_inside(repo, "pinion-promote.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waits()
        _await_turn(lock)
    try:
        _beside(repo).unlink(missing_ok=True)  # from one that was killed
        yield
    finally:
        lock.release()


def _await_turn(lock: FileLock) -> None:
    try:
        lock.acquire(timeout=_TURN_SECONDS)
    except Timeout:
        raise PromotionRefused("another promotion has been running in this repository for ten minutes") from None


def look(repo: Path) -> bytes | None:
    """models.dvc in the work tree; None where there is none."""
    path = repo / FILENAME
    return path.read_bytes() if path.is_file() else None


def at_head(repo: Path) -> bytes | None:
    """models.dvc as HEAD has it; None where it does not."""
    done = _run(repo, "show", f"HEAD:./{FILENAME}")
    return done.stdout if done.returncode == 0 else None


def commit(repo: Path, before: bytes | None, after: bytes, message: str) -> str:
    """`after` as models.dvc, in one commit that holds nothing else → its revision.

    `before` is what the promotion built on: where the file says something else by now, nothing is done.
    """
    if look(repo) != before:
        raise PromotionRefused(f"{FILENAME} was changed while this promotion ran; nothing was committed: run it again")
    tracked = git(repo, "ls-files", "--", FILENAME) != ""
    with _uninterrupted():
        try:
            _replace(repo, after)
            if not tracked:
                git(repo, "add", "--intent-to-add", "--", FILENAME)
            git(repo, "commit", "--quiet", "--only", f"--message={message}", "--", FILENAME)
        except BaseException:
            _restore(repo, before, tracked)
            raise
    return git(repo, "rev-parse", "HEAD")


def other_changes(repo: Path) -> int:
    """How many files besides models.dvc differ from HEAD."""
    return len(git(repo, "status", "--porcelain", "--", ".", f":(exclude){FILENAME}").splitlines())


def ignores_models(repo: Path) -> bool:
    """Whether git leaves the folder models/ to DVC."""
    return _holds(repo, "check-ignore", "--quiet", FOLDER)


def git(repo: Path, *arguments: str) -> str:
    """git's answer; its own words as `PromotionRefused` where it fails."""
    done = _run(repo, *arguments)
    if done.returncode != 0:
        told = plain(" ".join((done.stderr or done.stdout).decode(errors="replace").split()), 400)
        how = f"it was ended by signal {-done.returncode}" if done.returncode < 0 else "it gave no reason"
        raise PromotionRefused(f"git {arguments[0]} failed: {told or how}")
    return done.stdout.decode(errors="replace").strip()


def _holds(repo: Path, *arguments: str) -> bool:
    return _run(repo, *arguments).returncode == 0


def _run(repo: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Optional locks are left alone: a question must not write to the index."""
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
    try:
        return subprocess.run(
            ["git", "--no-optional-locks", "-C", str(repo), *arguments],
            capture_output=True,
            check=False,
            env={**environment, "LC_ALL": "C"},
        )
    except OSError as error:
        raise PromotionRefused(f"git can't be run: {error.strerror}") from error


def _inside(repo: Path, name: str) -> Path:
    """A path in git's own folder, wherever that is."""
    return (repo / git(repo, "rev-parse", "--git-path", name)).resolve()


def _require_unlocked(repo: Path) -> None:
    lock = _inside(repo, "index.lock")
    with contextlib.suppress(FileNotFoundError):
        age = time.time() - lock.stat().st_mtime
        raise PromotionRefused(
            f"{lock} is there, {age:.0f} seconds old: another git is at work; or one was killed, then remove the file"
        )


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C ends git, if it reaches it in time, and git cleans up; we go by how git ended."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _restore(repo: Path, before: bytes | None, tracked: bool) -> None:
    if not tracked:
        _run(repo, "rm", "--cached", "--quiet", "--force", "--", FILENAME)
    if before is None:
        (repo / FILENAME).unlink(missing_ok=True)
    elif look(repo) != before:
        _replace(repo, before)


def _beside(repo: Path) -> Path:
    return repo / f".{FILENAME}.new"


def _replace(repo: Path, data: bytes) -> None:
    """Whole or not at all: whoever watches the file never reads half of it."""
    with _beside(repo).open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _beside(repo).replace(repo / FILENAME)
