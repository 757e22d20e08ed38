"""The one commit a promotion makes, with real git: models.dvc alone, or nothing at all."""

import subprocess
from pathlib import Path

import pytest

from promote import git, ready
from promote.errors import PromotionRefused
from tests.integration.pins import FIRST, SECOND
from tests.promoting import Repository
from tests.repositories import new_repository

pytestmark = pytest.mark.usefixtures("nobodys_settings")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(new_repository(tmp_path / "repo"), tmp_path)


def refusing(repository: Repository) -> None:
    hook = repository.folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)


def disturbed(repository: Repository) -> None:
    """Other work under way: staged, changed, removed and untracked files."""
    (repository.folder / "staged").write_text("staged\n")
    repository.git("add", "staged")
    (repository.folder / "README").write_text("changed\n")
    (repository.folder / ".gitignore").unlink()
    (repository.folder / "untracked").write_text("untracked\n")


def test_the_first_commit_holds_models_dvc_alone(repository: Repository) -> None:
    disturbed(repository)
    before = repository.git("status", "--porcelain")
    revision = git.commit(repository.folder, None, FIRST, "Promote x\n\n# not a comment\n  loss = 1\n")
    assert revision == repository.git("rev-parse", "HEAD")
    assert repository.git("show", "--name-only", "--format=", "HEAD") == "models.dvc"
    assert repository.git("log", "-1", "--format=%B") == "Promote x\n\n# not a comment\n  loss = 1"
    assert repository.git("status", "--porcelain") == before
    assert git.at_head(repository.folder) == FIRST


def test_a_later_commit_holds_models_dvc_alone(pinned: Repository) -> None:
    disturbed(pinned)
    before = pinned.git("status", "--porcelain")
    git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert pinned.git("show", "--name-only", "--format=", "HEAD") == "models.dvc"
    assert pinned.git("status", "--porcelain") == before
    assert git.other_changes(pinned.folder) == 4


def test_another_models_dvc_counts_as_another_file(pinned: Repository) -> None:
    (pinned.folder / "old-models.dvc").write_text("")
    assert git.other_changes(pinned.folder) == 1


@pytest.mark.parametrize("kind", ["none", "untracked", "staged"])
def test_a_first_commit_that_fails_leaves_index_and_work_tree_as_they_were(repository: Repository, kind: str) -> None:
    disturbed(repository)
    refusing(repository)
    if kind != "none":
        (repository.folder / "models.dvc").write_bytes(FIRST)
    if kind == "staged":
        repository.git("add", "models.dvc")
    before = repository.fingerprint()
    with pytest.raises(PromotionRefused, match="git commit failed: no"):
        git.commit(repository.folder, git.look(repository.folder), SECOND, "Second")
    assert repository.fingerprint() == before


def test_a_later_commit_that_fails_leaves_index_and_work_tree_as_they_were(pinned: Repository) -> None:
    disturbed(pinned)
    (pinned.folder / "models.dvc").write_bytes(b"staged: 1\n")
    pinned.git("add", "models.dvc")
    (pinned.folder / "models.dvc").write_bytes(b"changed: 1\n")
    refusing(pinned)
    before = pinned.fingerprint()
    with pytest.raises(PromotionRefused, match="git commit failed: no"):
        git.commit(pinned.folder, b"changed: 1\n", SECOND, "Second")
    assert pinned.fingerprint() == before


def test_a_repository_without_any_commit_gets_its_first(tmp_path: Path) -> None:
    folder = new_repository(tmp_path / "repo")
    subprocess.run(["git", "-C", folder, "update-ref", "-d", "HEAD"], check=True)
    repository = Repository(folder, tmp_path)
    ready.require(folder)
    assert git.at_head(folder) is None
    git.commit(folder, None, FIRST, "First")
    assert repository.git("show", "--name-only", "--format=", "HEAD") == "models.dvc"


def test_a_repository_without_any_commit_is_left_as_it_was_where_it_fails(tmp_path: Path) -> None:
    folder = new_repository(tmp_path / "repo")
    subprocess.run(["git", "-C", folder, "update-ref", "-d", "HEAD"], check=True)
    repository = Repository(folder, tmp_path)
    refusing(repository)
    before = repository.fingerprint()
    with pytest.raises(PromotionRefused, match="git commit failed: no"):
        git.commit(folder, None, FIRST, "First")
    assert repository.fingerprint() == before


def test_what_changed_meanwhile_is_not_overwritten(pinned: Repository) -> None:
    before = pinned.fingerprint()
    with pytest.raises(PromotionRefused, match="was changed while this promotion ran"):
        git.commit(pinned.folder, b"outs: 0\n", SECOND, "Second")
    assert pinned.fingerprint() == before


def test_a_question_writes_nothing(pinned: Repository) -> None:
    index = pinned.folder / ".git" / "index"
    (pinned.folder / "README").touch()
    before = index.read_bytes()
    git.other_changes(pinned.folder)
    assert index.read_bytes() == before


def test_git_is_asked_of_this_repository_whoever_started_us(
    pinned: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert git.at_head(pinned.folder) == FIRST


@pytest.mark.parametrize("name", ["GIT_LITERAL_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_NAMESPACE"])
def test_how_whoever_started_us_reads_paths_is_not_how_we_do(
    pinned: Repository, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (pinned.folder / "README").write_text("changed\n")
    (pinned.folder / "models.dvc").write_bytes(SECOND)
    (pinned.folder / "MODELS.DVC").write_bytes(SECOND)
    monkeypatch.setenv(name, "1")
    assert git.other_changes(pinned.folder) == 2
    assert git.commit(pinned.folder, SECOND, b"outs: 3\n", "Third") == pinned.git("rev-parse", "main")


def test_a_promotion_waits_for_its_turn_and_says_so(repository: Repository) -> None:
    waited: list[str] = []
    with git.one_at_a_time(repository.folder, lambda: waited.append("waits")):
        assert waited == []

        class Enough(Exception):
            pass

        def waits() -> None:
            raise Enough

        with pytest.raises(Enough), git.one_at_a_time(repository.folder, waits):
            pass


def test_what_a_killed_promotion_left_half_written_is_removed(repository: Repository) -> None:
    (repository.folder / ".models.dvc.new").write_text("half")
    with git.one_at_a_time(repository.folder, lambda: None):
        pass
    assert repository.git("status", "--porcelain") == ""


def test_without_git_the_sentence_says_so(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PromotionRefused, match="git can't be run: No such file"):
        ready.require(repository.folder)


def test_a_repository_that_keeps_models_to_itself_is_known(repository: Repository) -> None:
    assert git.ignores_models(repository.folder)
    (repository.folder / ".gitignore").write_text("/remote\n")
    assert not git.ignores_models(repository.folder)
