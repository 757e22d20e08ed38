import os
import subprocess
from pathlib import Path

import pytest

from serve.artifact.history import UNCOMMITTED, releases, revisions
from serve.artifact.pin import FILENAME, Pin, PinnedModel, write


class Repo:
    """A git repository whose commits follow each other a minute apart."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.minute = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        when = f"2024-01-01T00:{self.minute:02}:00Z"
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in WHO.items()}
        mine = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", "-C", str(self.folder), *arguments]
        done = subprocess.run(command, env=os.environ | who | mine, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, data: Pin | bytes | None, subject: str = "Promote") -> str:
        self.minute += 1
        if data is not None:
            (self.folder / FILENAME).write_bytes(data if isinstance(data, bytes) else write(data))
            self.git("add", FILENAME)
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD")


WHO = {"NAME": "Ada", "EMAIL": "ada@example.org"}


def pin(**digests: str) -> Pin:
    models = tuple(PinnedModel(name, "sha256:" + digit * 64) for name, digit in digests.items())
    return Pin("".join(digests.values())[0] * 32 + ".dir", 1, 1, models)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


def test_releases_are_the_commits_that_changed_the_pin_newest_first(repo: Repo) -> None:
    first = repo.commit(pin(digits="1"), "Promote digits")
    repo.commit(None, "Say more in the README")
    second = repo.commit(pin(digits="2"), "Promote better digits")
    found = releases(repo.folder)
    assert [(one.revision, one.subject, one.pin) for one in found] == [
        (second, "Promote better digits", pin(digits="2")),
        (first, "Promote digits", pin(digits="1")),
    ]
    assert (found[1].date, found[1].author) == ("2024-01-01T00:01:00+00:00", "Ada")


def test_a_release_that_can_not_be_read_is_listed_without_its_pin(repo: Repo) -> None:
    broken = repo.commit(b"outs: [", "Break it")
    assert [(one.revision, one.pin) for one in releases(repo.folder)] == [(broken, None)]


def test_the_commit_that_removed_the_pin_is_listed_without_one(repo: Repo) -> None:
    repo.commit(pin(digits="1"))
    repo.git("rm", "--quiet", FILENAME)
    removed = repo.commit(None, "Remove")
    assert releases(repo.folder)[0].revision == removed
    assert releases(repo.folder)[0].pin is None


@pytest.mark.parametrize("subject", ["a\u2028b", "a\x0bb\x0cc\x1cd", "a\x85b", "a\x1fb", "ü 😀", "%H%n"])
def test_a_subject_may_hold_anything(repo: Repo, subject: str) -> None:
    revision = repo.commit(pin(digits="1"), subject)
    assert [one.revision for one in releases(repo.folder)] == [revision]


def test_a_model_belongs_to_the_commit_that_first_pinned_its_digest(repo: Repo) -> None:
    first = repo.commit(pin(digits="1"))
    second = repo.commit(pin(digits="1", tumours="2"))
    repo.commit(pin(digits="1", tumours="3"))
    repo.commit(pin(digits="1", tumours="2"))
    assert revisions(repo.folder, pin(digits="1", tumours="2")) == {"digits": first, "tumours": second}


def test_a_model_that_no_commit_pins_is_uncommitted(repo: Repo) -> None:
    first = repo.commit(pin(digits="1"))
    found = revisions(repo.folder, pin(digits="1", tumours="2"))
    assert found == {"digits": first, "tumours": UNCOMMITTED}


def test_a_digest_pinned_under_another_name_is_another_model(repo: Repo) -> None:
    repo.commit(pin(digits="1"))
    assert revisions(repo.folder, pin(numbers="1")) == {"numbers": UNCOMMITTED}


def test_a_pin_of_another_branch_is_known(repo: Repo) -> None:
    repo.commit(pin(digits="1"))
    repo.git("checkout", "--quiet", "-b", "next")
    second = repo.commit(pin(digits="2"))
    repo.git("checkout", "--quiet", "main")
    assert revisions(repo.folder, pin(digits="2")) == {"digits": second}


def test_a_detached_head_knows_its_commits(repo: Repo) -> None:
    repo.commit(pin(digits="1"))
    repo.git("checkout", "--quiet", "--detach")
    second = repo.commit(pin(digits="2"))
    assert revisions(repo.folder, pin(digits="2")) == {"digits": second}
    assert releases(repo.folder)[0].revision == second


def test_a_stale_lock_of_the_index_is_in_nobodys_way(repo: Repo) -> None:
    first = repo.commit(pin(digits="1"))
    (repo.folder / ".git" / "index.lock").touch()
    assert revisions(repo.folder, pin(digits="1")) == {"digits": first}


def test_a_shallow_clone_knows_what_it_has(repo: Repo, tmp_path: Path) -> None:
    repo.commit(pin(digits="1"))
    second = repo.commit(pin(digits="1", tumours="2"))
    shallow = tmp_path / "shallow"
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.folder}", str(shallow))
    assert revisions(shallow, pin(digits="1")) == {"digits": second}


def test_a_folder_inside_a_repository_has_its_own_pin(repo: Repo) -> None:
    repo.commit(pin(digits="1"))
    inner = repo.folder / "inner"
    inner.mkdir()
    assert releases(inner) == ()
    (inner / FILENAME).write_bytes(write(pin(digits="2")))
    repo.git("add", "inner")
    second = repo.commit(None)
    assert [one.revision for one in releases(inner)] == [second]
    assert revisions(inner, pin(digits="2")) == {"digits": second}


def test_without_a_commit_nothing_is_known(repo: Repo) -> None:
    assert releases(repo.folder) == ()
    assert revisions(repo.folder, pin(digits="1")) == {"digits": UNCOMMITTED}


def test_without_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert releases(tmp_path) == ()
    assert revisions(tmp_path, pin(digits="1")) == {"digits": UNCOMMITTED}


def test_without_git_nothing_is_known(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit(pin(digits="1"))
    monkeypatch.setenv("PATH", "")
    assert revisions(repo.folder, pin(digits="1")) == {"digits": UNCOMMITTED}
