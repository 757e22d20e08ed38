"""Whether a repository is ready for a promotion: asked before any work is done, and once more before the commit.

What is refused here would fail later, or leave a commit that no branch keeps. Nothing is written.
"""

import contextlib
import time
from pathlib import Path

from promote import git
from promote.errors import PromotionRefused
from serve.artifact import remote
from serve.artifact.pin import FILENAME, FOLDER

_IN_PROGRESS = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or git am",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "sequencer": "a cherry-pick or revert of several commits",
    "BISECT_LOG": "a bisect",
}
_LOCK_SECONDS = 5.0  # an editor that asks for the status holds it for moments
_LOOK_SECONDS = 0.1
_SAMPLE = b"outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: models\n"


def require(repo: Path) -> None:
    """Refuse where no commit could be made, or no remote is named."""
    if not (repo / ".git").exists() or not (repo / ".dvc" / "config").is_file():
        top = next((one for one in repo.parents if (one / ".git").exists()), None)
        how = "git init; dvc init" if top is None else f"{top} is one of git: go there, or name it as --repo"
        raise PromotionRefused(f"{repo} is not the top of a repository of both git and DVC ({how})")
    if remote.default_remote(repo) is None:
        raise PromotionRefused("DVC has no default remote to push to: dvc remote add --default origin <where>")
    _require_nothing_in_progress(repo)
    _require_unlocked(repo)
    if not git.holds(repo, "symbolic-ref", "--quiet", "HEAD"):
        raise PromotionRefused("HEAD is detached, so no branch would keep the commit: git switch <branch> first")
    git.committer(repo)
    _require_plain(repo)


def _require_nothing_in_progress(repo: Path) -> None:
    for state, told in _IN_PROGRESS.items():
        if git.inside(repo, state).exists():
            raise PromotionRefused(f"{told} is in progress: finish or abort it first")
    if git.git(repo, "ls-files", "--unmerged"):
        raise PromotionRefused("the index has files in conflict, and git commits nothing until they are settled")


def _require_unlocked(repo: Path) -> None:
    lock = git.inside(repo, "index.lock")
    until = time.monotonic() + _LOCK_SECONDS
    while lock.exists() and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    with contextlib.suppress(FileNotFoundError):
        age = time.time() - lock.stat().st_mtime
        raise PromotionRefused(
            f"{lock} is there, {age:.0f} seconds old: another git is at work; or one was killed, then remove the file"
        )


def _require_plain(repo: Path) -> None:
    """models.dvc is a file that git keeps, byte for byte."""
    for path, kind in ((repo / FILENAME, "file"), (repo / FOLDER, "folder")):
        fits = path.is_file() if kind == "file" else path.is_dir()
        if path.is_symlink() or (path.exists() and not fits):
            raise PromotionRefused(f"{path.name} is no plain {kind}, and would be replaced by one: move it away first")
    if git.holds(repo, "check-ignore", "--quiet", "--", FILENAME):
        raise PromotionRefused(f"git ignores {FILENAME}, which is what a promotion commits: see .gitignore")
    filtered, plainly = ("--path", FILENAME), ("--no-filters",)
    if _named(repo, *filtered) != _named(repo, *plainly):
        raise PromotionRefused(
            f"a filter or attribute of git changes {FILENAME} as it is committed: see .gitattributes, and say "
            f"'{FILENAME} -filter -ident -working-tree-encoding' there"
        )


def _named(repo: Path, *how: str) -> str:
    """What git would call the sample."""
    return git.git(repo, "hash-object", *how, "--stdin", given=_SAMPLE)
