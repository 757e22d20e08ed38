"""Which commit trained, asked of real repositories."""

import subprocess
from pathlib import Path

import pytest

from train.record.source import source_tags


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package under version control, committed on the branch `main`."""
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    return folder


def test_a_committed_package_names_its_commit_and_branch(package: Path) -> None:
    assert source_tags(package) == {
        "mlflow.source.git.commit": git(package, "rev-parse", "HEAD"),
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.dirty": "false",
    }


def test_a_changed_file_makes_it_dirty(package: Path) -> None:
    (package / "__init__.py").write_text("changed = True\n")
    assert source_tags(package)["mlflow.source.git.dirty"] == "true"


def test_a_detached_head_has_no_branch(package: Path) -> None:
    git(package, "checkout", "--quiet", "--detach")
    assert "mlflow.source.git.branch" not in source_tags(package)


def test_a_package_installed_inside_another_repository_claims_nothing(package: Path) -> None:
    installed = package.parent / "site-packages" / "train"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert source_tags(installed) == {}


def test_nothing_is_claimed_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source_tags(tmp_path) == {}


def test_nothing_is_claimed_where_there_is_no_git(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert source_tags(package) == {}
