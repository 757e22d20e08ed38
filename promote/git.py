"""The repository, as git sees it: what a promotion needs of it before it begins, and the one commit it makes.

The commit holds models.dvc alone, whatever else is staged, changed or untracked, and byte for byte what was
pushed, whatever filters and hooks git has. It fails as a whole: then HEAD, index and work tree are as they were.
Git's own words reach the user in one line.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from promote.errors import PromotionRefused, plain
from serve.artifact import pin
from serve.artifact.pin import FILENAME, FOLDER
from serve.errors import PinUnreadable

# Where git itself started us (a hook, an alias) these would point it elsewhere than at --repo; or would have it read
# the names of files in another way.
_NOT_OURS = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"),
    *("GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"),
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
)
_BESIDE = f".{FILENAME}.new"
_TURN_SECONDS = 3600.0  # of all who are before; the turn of one that was killed is over


def forget_caller() -> None:
    """What started us may be git itself: nothing that this process starts, DVC among it, is to hear of that."""
    for name in _NOT_OURS:
        os.environ.pop(name, None)


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
    """Promotions in one repository take turns; `waits` is called where this one must, at most an hour."""
    lock = FileLock(inside(repo, "pinion-promote.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waits()
        _await_turn(lock)
    try:
        (repo / _BESIDE).unlink(missing_ok=True)  # from one that was killed
        yield
    finally:
        lock.release()


def _await_turn(lock: FileLock) -> None:
    try:
        lock.acquire(timeout=_TURN_SECONDS)
    except Timeout:
        raise PromotionRefused("another promotion has been running in this repository for an hour") from None


def look(repo: Path) -> bytes | None:
    """models.dvc in the work tree; None where there is none."""
    path = repo / FILENAME
    return path.read_bytes() if path.is_file() else None


def at_head(repo: Path) -> bytes | None:
    """models.dvc as HEAD has it; None where it does not."""
    return _at(repo, "HEAD")


def _at(repo: Path, revision: str) -> bytes | None:
    done = _run(repo, "show", f"{revision}:./{FILENAME}")
    return done.stdout if done.returncode == 0 else None


def is_committed(repo: Path) -> bool:
    """Whether models.dvc in the work tree is HEAD's, but for line ends that git itself may have changed."""
    return at_head(repo) is not None and holds(repo, "diff", "--quiet", "--no-ext-diff", "HEAD", "--", FILENAME)


def commit(repo: Path, before: bytes | None, after: bytes, message: str) -> str:
    """`after` as models.dvc, in one commit that holds nothing else → its revision.

    `before` is what the promotion built on: where the file says something else by now, nothing is done.
    """
    base, entry = _head(repo), git(repo, "ls-files", "--stage", "--", FILENAME)
    with _uninterrupted():
        _replace(repo, before, after)
        try:
            if not entry:
                git(repo, "add", "--intent-to-add", "--", FILENAME)
            git(repo, "commit", "--quiet", "--only", f"--message={message}", "--", FILENAME)
            return _committed(repo, base, after)
        except BaseException:
            _restore(repo, before, after, entry)
            raise


def _committed(repo: Path, base: str, after: bytes) -> str:
    """The revision just made on `base`, which holds models.dvc alone and as it was given; or it is taken back."""
    span = f"{base}..HEAD" if base else "HEAD"
    made = git(repo, "rev-list", "--reverse", "--first-parent", span).partition("\n")[0]
    held = git(repo, "diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "--no-renames", made or "HEAD")
    if held == FILENAME and _at(repo, made) == after:
        return made
    git(repo, "update-ref", *(("HEAD", base, made) if base else ("-d", "HEAD", made)))
    raise PromotionRefused(
        f"a hook or filter of git changed what was committed, which was to be {FILENAME} alone and as it was pushed; "
        "the commit was taken back"
    )


def _head(repo: Path) -> str:
    """The commit HEAD names; '' where there is none yet."""
    done = _run(repo, "rev-parse", "--verify", "--quiet", "HEAD")
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def other_changes(repo: Path) -> int:
    """How many files besides models.dvc differ from HEAD."""
    return len(git(repo, "status", "--porcelain", "--", ".", f":(exclude){FILENAME}").splitlines())


def unkept(repo: Path, folder: Path) -> str:
    """What is left to do where git keeps `folder`, a remote within the repository, and no commit has all of it yet."""
    if not folder.is_relative_to(repo) or not git(repo, "ls-files", "--", str(folder)):
        return ""
    files = len(git(repo, "status", "--porcelain", "--untracked-files=all", "--", str(folder)).splitlines())
    if not files:
        return ""
    name, told = folder.relative_to(repo), "1 file is" if files == 1 else f"{files} files are"
    return f"git keeps {name}/, and {told} in no commit yet: git add {name}, and commit, before a push"


def unpublished(repo: Path) -> str:
    """What is left to do until others have what HEAD has, as git knew of them last; '' where it follows none."""
    found = _run(repo, "rev-parse", "--abbrev-ref", "@{upstream}")
    if found.returncode != 0:
        return ""
    upstream = found.stdout.decode(errors="replace").strip()
    behind, ahead = git(repo, "rev-list", "--left-right", "--count", "@{upstream}...HEAD").split()
    first = "" if behind == "0" else f"git pull --rebase, for that has {behind} more, then "
    commits = "1 commit is" if ahead == "1" else f"{ahead} commits are"
    return f"{commits} not in {upstream} yet: {first}git push" if ahead != "0" else ""


def ignores_models(repo: Path) -> bool:
    """Whether git leaves the folder models/ to DVC."""
    return holds(repo, "check-ignore", "--quiet", FOLDER)


def git(repo: Path, *arguments: str, given: bytes | None = None) -> str:
    """git's answer, to what it is `given` on stdin; its own words as `PromotionRefused` where it fails."""
    done = _run(repo, *arguments, given=given)
    if done.returncode != 0:
        told = plain(" ".join((done.stderr or done.stdout).decode(errors="replace").split()), 400)
        how = f"it was ended by signal {-done.returncode}" if done.returncode < 0 else "it gave no reason"
        raise PromotionRefused(f"git {arguments[0]} failed: {told or how}")
    return done.stdout.decode(errors="replace").strip()


def holds(repo: Path, *arguments: str) -> bool:
    """Whether git says yes."""
    return _run(repo, *arguments).returncode == 0


def _run(repo: Path, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Optional locks are left alone: a question must not write to the index."""
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
    try:
        return subprocess.run(
            ["git", "--no-optional-locks", "-C", str(repo), *arguments],
            input=given,
            capture_output=True,
            check=False,
            env={**environment, "LC_ALL": "C"},
        )
    except OSError as error:
        raise PromotionRefused(f"git can't be run: {error.strerror}") from error


def inside(repo: Path, name: str) -> Path:
    """A path in git's own folder, wherever that is."""
    return (repo / git(repo, "rev-parse", "--git-path", name)).resolve()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C ends git, if it reaches it in time, and git cleans up; we go by how git ended."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _restore(repo: Path, before: bytes | None, after: bytes, entry: str) -> None:
    """Index and work tree as they were; what somebody else has made of models.dvc meanwhile is theirs."""
    if not entry:
        _run(repo, "rm", "--cached", "--quiet", "--force", "--ignore-unmatch", "--", FILENAME)
    elif git(repo, "ls-files", "--stage", "--", FILENAME) != entry:
        mode, blob, _ = entry.split(maxsplit=2)
        git(repo, "update-index", "--cacheinfo", f"{mode},{blob},{FILENAME}")
    now = look(repo)
    if now is None or now == before or not _is_ours(now, after):
        return
    if before is None:
        (repo / FILENAME).unlink()
    else:
        _replace(repo, now, before)


def _is_ours(now: bytes, after: bytes) -> bool:
    """Whether it pins what we pin, as a hook may have written it, or nothing at all; else it is another's release."""
    try:
        return pin.read(now).oid == pin.read(after).oid
    except PinUnreadable:
        return True


def _replace(repo: Path, before: bytes | None, after: bytes) -> None:
    """Whole or not at all: whoever watches the file never reads half of it.

    Refused where the file is not as it was `before`. That is looked at last: nothing is between but one rename.
    """
    new = repo / _BESIDE
    try:
        with new.open("wb") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        if look(repo) != before:
            told = f"{FILENAME} was changed while this promotion ran; nothing was committed: run it again"
            raise PromotionRefused(told)
        new.replace(repo / FILENAME)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
