"""Row G-3: whatever state, settings and hooks git has, a promotion commits models.dvc alone, or nothing, and says so.

And G-5: what a killed git left behind is named. With real git, at the two places where a promotion meets it.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from promote import git, ready
from promote.errors import PromotionRefused
from serve.artifact import history, pin
from tests.forms import TIMED, within
from tests.integration.pins import FIRST, SECOND, attribute, hook
from tests.promoting import Repository
from tests.repositories import new_repository

pytestmark = pytest.mark.usefixtures("nobodys_settings")


def conflicted(repository: Repository, command: str) -> None:
    """A conflict in README, left by `command`."""
    for branch, line in (("other", "Theirs."), ("main", "Ours.")):
        repository.git("checkout", "--quiet", "-B" if branch == "other" else "main", *([branch] * (branch == "other")))
        (repository.folder / "README").write_text(f"{line}\n")
        repository.git("commit", "--quiet", "--all", "--message", line)
    subprocess.run(["git", "-C", repository.folder, *command.split()], capture_output=True, check=False)


def picking_two(repository: Repository) -> None:
    """A cherry-pick of two commits, whose first was settled and committed by hand."""
    conflicted(repository, "status")
    repository.git("checkout", "--quiet", "other")
    (repository.folder / "more").write_text("More.\n")
    repository.git("add", "more")
    repository.git("commit", "--quiet", "--message", "More")
    repository.git("checkout", "--quiet", "main")
    subprocess.run(["git", "-C", repository.folder, "cherry-pick", "main..other"], capture_output=True, check=False)
    repository.git("add", "README")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "Settled")


UNFIT: dict[str, tuple[Callable[[Repository], object], str]] = {
    "a merge": (lambda one: conflicted(one, "merge other"), "a merge is in progress"),
    "a rebase": (lambda one: conflicted(one, "rebase other"), "a rebase is in progress"),
    "an am": (lambda one: conflicted(one, "rebase --apply other"), "a rebase or git am is in progress"),
    "a cherry-pick": (lambda one: conflicted(one, "cherry-pick other"), "a cherry-pick is in progress"),
    "the rest of a cherry-pick": (picking_two, "a cherry-pick or revert of several commits is in progress"),
    "a revert": (lambda one: conflicted(one, "revert other"), "a revert is in progress"),
    "a bisect": (lambda one: one.git("bisect", "start"), "a bisect is in progress"),
    "a squashed merge": (lambda one: conflicted(one, "merge --squash other"), "the index has files in conflict"),
    "detached": (lambda one: one.git("checkout", "--quiet", "--detach"), "HEAD is detached"),
    "a link": (
        lambda one: (one.folder / "models.dvc").rename(one.folder / "x") and os.symlink("x", one.folder / "models.dvc"),
        "models.dvc is no plain file",
    ),
    "a folder": (
        lambda one: (one.folder / "models.dvc").unlink() or (one.folder / "models.dvc").mkdir(),
        "models.dvc is no plain file",
    ),
    "models is a link": (lambda one: os.symlink("elsewhere", one.folder / "models"), "models is no plain folder"),
    "ignored": (lambda one: ignored(one), "git ignores models.dvc"),
    "a filter": (
        lambda one: attribute(one, "*.dvc filter=upper", filter__upper__clean="tr a-z A-Z"),
        "a filter or attribute of git changes models.dvc",
    ),
}


def ignored(repository: Repository) -> None:
    repository.git("rm", "--quiet", "models.dvc")
    (repository.folder / ".gitignore").write_text("*.dvc\n")
    repository.git("commit", "--quiet", "--all", "--message=Gone")


@pytest.mark.parametrize("state", UNFIT)
def test_g3_a_state_in_which_no_commit_should_be_made_is_refused_before_any_work(
    pinned: Repository, state: str
) -> None:
    prepare, sentence = UNFIT[state]
    prepare(pinned)
    before = pinned.fingerprint()
    with pytest.raises(PromotionRefused, match=sentence):
        ready.require(pinned.folder)
    assert pinned.fingerprint() == before


def intend_to_add(repository: Repository) -> None:
    (repository.folder / "intended").write_text("intended\n")
    repository.git("add", "--intent-to-add", "intended")


def submodule(repository: Repository) -> None:
    other = new_repository(repository.folder.parent / "other")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")


def sparse(repository: Repository) -> None:
    repository.git("sparse-checkout", "set", "--no-cone", "/*", "!/README")


BESIDE: dict[str, Callable[[Repository], object]] = {
    "intended to be added": intend_to_add,
    "a submodule that is staged": submodule,
    "a sparse checkout": sparse,
    "line ends of Windows": lambda one: one.git("config", "core.autocrlf", "true"),
    "a monitor of files that fails": lambda one: one.git("config", "core.fsmonitor", "false"),
    "comments cut from messages": lambda one: one.git("config", "commit.cleanup", "scissors"),
    "a removal that is staged": lambda one: one.git("rm", "--quiet", "README"),
    "a move that is staged": lambda one: one.git("mv", "README", "READ"),
}


@pytest.mark.parametrize("state", BESIDE)
def test_g3_every_other_entry_of_the_index_is_as_it_was(pinned: Repository, state: str) -> None:
    BESIDE[state](pinned)
    before = [line for line in pinned.git("ls-files", "--stage").splitlines() if not line.endswith("models.dvc")]
    status = pinned.git("status", "--porcelain")
    ready.require(pinned.folder)
    revision = git.commit(pinned.folder, FIRST, SECOND, "Second")
    after = [line for line in pinned.git("ls-files", "--stage").splitlines() if not line.endswith("models.dvc")]
    assert after == before
    assert pinned.git("show", "--name-only", "--format=", revision) == "models.dvc"
    assert pinned.git("status", "--porcelain") == status
    assert git.at_head(pinned.folder) == SECOND


def shallow(repository: Repository, target: Path) -> None:
    repository.git("commit", "--quiet", "--allow-empty", "--message", "Later")
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{repository.folder}", target], check=True)


def worktree(repository: Repository, target: Path) -> None:
    repository.git("worktree", "add", "--quiet", "-b", "beside", str(target))


@pytest.mark.parametrize("make", [shallow, worktree])
def test_g3_a_shallow_clone_and_a_worktree_are_repositories_too(
    pinned: Repository, tmp_path: Path, make: Callable[[Repository, Path], None]
) -> None:
    make(pinned, tmp_path / "other")
    other = Repository(tmp_path / "other", tmp_path)
    other.git("config", "user.name", "Ada")
    other.git("config", "user.email", "ada@example.org")
    head = pinned.git("rev-parse", "main")
    ready.require(other.folder)
    with git.one_at_a_time(other.folder, lambda: None):
        revision = git.commit(other.folder, FIRST, SECOND, "Second")
    assert revision == other.git("rev-parse", "HEAD")
    assert history.revisions(other.folder, pin.read(SECOND)) == {"oracle": revision}
    assert (pinned.git("rev-parse", "main"), pinned.git("status", "--porcelain")) == (head, "")


def test_g13_what_others_do_not_have_yet_is_told_and_how_they_get_it(pinned: Repository, tmp_path: Path) -> None:
    """Pinion itself never pushes: so nothing of others can be forced away."""
    assert git.unpublished(pinned.folder) == ""
    for name in ("ours", "theirs"):
        subprocess.run(["git", "clone", "--quiet", pinned.folder, tmp_path / name], check=True)
    ours, theirs = (Repository(tmp_path / name, tmp_path) for name in ("ours", "theirs"))
    for one in (ours, theirs):
        one.git("config", "user.name", "Ada")
        one.git("config", "user.email", "ada@example.org")
    pinned.git("checkout", "--quiet", "-b", "elsewhere")
    git.commit(ours.folder, FIRST, SECOND, "Second")
    assert git.unpublished(ours.folder) == "1 commit is not in origin/main yet: git push"
    theirs.git("commit", "--quiet", "--allow-empty", "--message", "Theirs")
    theirs.git("push", "--quiet")
    ours.git("fetch", "--quiet")
    told = git.unpublished(ours.folder)
    assert told == "1 commit is not in origin/main yet: git pull --rebase, for that has 1 more, then git push"
    ours.git("pull", "--quiet", "--rebase")
    ours.git("push", "--quiet")
    assert git.unpublished(ours.folder) == ""
    assert pinned.git("log", "--format=%s", "-2", "main").splitlines() == ["Second", "Theirs"]


def test_what_was_pushed_to_a_remote_that_git_keeps_is_told_to_be_committed(pinned: Repository) -> None:
    """As in Pinion's own repository: without it, who clones could not pull."""
    remote = pinned.folder / "kept"
    (remote / "files").mkdir(parents=True)
    (remote / "files" / "first").write_text("Pushed.\n")
    assert git.unkept(pinned.folder, remote) == ""  # git does not keep it
    pinned.git("add", "kept")
    pinned.git("commit", "--quiet", "--message=Kept")
    assert git.unkept(pinned.folder, remote) == ""
    (remote / "files" / "second").write_text("Pushed.\n")
    told = git.unkept(pinned.folder, remote)
    assert told == "git keeps kept/, and 1 file is in no commit yet: git add kept, and commit, before a push"
    assert git.unkept(pinned.folder, pinned.folder.parent / "elsewhere") == ""


def test_g3_a_folder_below_the_top_is_refused(pinned: Repository) -> None:
    (pinned.folder / "sub").mkdir()
    with pytest.raises(PromotionRefused, match="is not the top of a repository") as refused:
        ready.require(pinned.folder / "sub")
    assert f"({pinned.folder} is one of git: go there, or name it as --repo)" in str(refused.value)


def test_g3_line_ends_that_git_changed_are_no_change(pinned: Repository) -> None:
    pinned.git("config", "core.autocrlf", "true")
    (pinned.folder / "models.dvc").unlink()
    pinned.git("checkout", "--", "models.dvc")
    assert b"\r\n" in (git.look(pinned.folder) or b"")
    assert git.is_committed(pinned.folder)
    (pinned.folder / "models.dvc").write_bytes(SECOND)
    assert not git.is_committed(pinned.folder)


def test_g5_a_lock_that_another_git_holds_for_a_moment_is_waited_for(pinned: Repository) -> None:
    lock = pinned.folder / ".git" / "index.lock"
    lock.touch()
    timer = threading.Timer(0.3, lock.unlink)
    timer.start()
    ready.require(pinned.folder)
    timer.join()


@TIMED
def test_g5_a_lock_that_a_killed_git_left_is_named_and_never_removed(pinned: Repository) -> None:
    lock = pinned.folder / ".git" / "index.lock"
    hook(pinned, "pre-commit", "kill -9 $PPID")
    (pinned.folder / "README").write_text("changed\n")
    subprocess.run(["git", "-C", pinned.folder, "commit", "--all", "--message=x"], check=False)
    assert lock.exists()
    began = time.monotonic()
    with pytest.raises(PromotionRefused, match=r"index.lock is there, \d+ seconds old: another git .* remove the file"):
        ready.require(pinned.folder)
    assert time.monotonic() - began < within(7.0)
    assert lock.exists()
    with pytest.raises(PromotionRefused, match=r"index.lock': File exists"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert (git.look(pinned.folder), lock.exists()) == (FIRST, True)


def test_a_full_disk_while_the_pin_is_written_leaves_nothing_behind(pinned: Repository) -> None:
    """As good as full: a file that may not grow."""
    before = pinned.fingerprint()
    blocked = pinned.folder / ".models.dvc.new"
    blocked.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    blocked.rmdir()
    assert pinned.fingerprint() == before
