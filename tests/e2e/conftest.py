"""One repository with a history of real promotions, made once; each test gets a copy of its own."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import promoting
from tests.conftest import made_once
from tests.e2e import echoing
from tests.models import oracle
from tests.repositories import new_repository

PROMOTE = Path(sys.executable).with_name("promote")


@dataclass(frozen=True)
class Repository:
    """A git repository at `folder`; `revisions` are its promotions, the first first."""

    folder: Path
    revisions: tuple[str, ...]
    state: Path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def checkout(self, promotion: int) -> None:
        """The rollback, as a person types it."""
        self.git("checkout", "--quiet", self.revisions[promotion], "--", "models.dvc")

    def remote_object_of(self, name: str) -> Path:
        """The remote's object that holds the file whose path ends in `name`, in the newest pin."""
        oid = next(line.split()[-1] for line in (self.folder / "models.dvc").read_text().splitlines() if "md5:" in line)
        root = self.folder / "remote" / "files" / "md5"
        listing = json.loads((root / oid[:2] / oid[2:]).read_text())
        md5 = next(entry["md5"] for entry in listing if entry["relpath"].endswith(name))
        return root / md5[:2] / md5[2:]


def promote(repo: Path, state: Path, model: Path, name: str = "oracle") -> str:
    """The command `promote`, as a person types it → the revision."""
    done = subprocess.run(
        [PROMOTE, str(model), "--name", name, "--repo", str(repo)],
        capture_output=True,
        text=True,
        env={**os.environ, "PINION_ARTIFACT__STATE": str(state)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def old_recipe(model: Path) -> Path:
    """The model as logged elsewhere: under Python 3.10, with other versions of every package."""
    (model / "python_env.yaml").write_text("python: 3.10.13\ndependencies:\n- -r requirements.txt\n")
    (model / "requirements.txt").write_text("mlflow-skinny==2.22.1\npandas==2.2.3\nnumpy==1.26.4\n")
    return model


def repository_in(root: Path) -> Repository:
    """That in `root`, with the state folder beside it."""
    told = subprocess.run(
        ["git", "-C", str(root / "repo"), "log", "--reverse", "--format=%H", "--", "models.dvc"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Repository(root / "repo", tuple(told.stdout.split()), root / "state")


def promotions(root: Path) -> Repository:
    """A repository in `root` with promotions 0 and 1 of the oracle, with factors 2 and 3."""
    folder = new_repository(root / "repo")
    for factor in (2, 3):
        promote(folder, root / "state", oracle(root / f"model-{factor}", factor))
    return repository_in(root)


@pytest.fixture(scope="session")
def two_promotions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with those, which all tests copy."""
    return made_once(tmp_path_factory, "oracle", promotions)


@pytest.fixture(scope="session")
def promoted(two_promotions: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The same with promotion 2, of factor 4, under another Python with other packages; for this process alone."""

    def third(root: Path) -> None:
        _copied(two_promotions, root)
        promote(root / "repo", root / "state", old_recipe(oracle(root / "model-4", 4)))

    root = made_once(tmp_path_factory, "promotions", third)
    return repository_in(_copied(root, tmp_path_factory.mktemp("promoted")))


@pytest.fixture(scope="session")
def state(promoted: Repository) -> Path:
    """A state folder shared by the tests, so that environments are built once."""
    return promoted.state


@pytest.fixture(scope="session")
def echoes(tmp_path_factory: pytest.TempPathFactory) -> promoting.Repository:
    """A release of the two echoes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow's own, as it reads signatures
        root = made_once(tmp_path_factory, "echoes", echoing.released)
    return echoing.repository_in(_copied(root, tmp_path_factory.mktemp("echoes")))


def _copied(root: Path, target: Path) -> Path:
    for one in ("repo", "state"):
        shutil.copytree(root / one, target / one, symlinks=True)
    return target


@pytest.fixture
def repository(promoted: Repository, tmp_path: Path) -> Repository:
    """A copy for one test, at promotion 1, sharing environments and snapshots with the others."""
    folder = tmp_path / "repo"
    shutil.copytree(promoted.folder, folder, symlinks=True)
    mine = Repository(folder, promoted.revisions, promoted.state)
    mine.checkout(1)
    return mine


@pytest.fixture
def cold(repository: Repository, tmp_path: Path, link_environments: Callable[[Path], None]) -> Repository:
    """The same with nothing at hand but the remote: no cache, no snapshots; only the environments are there."""
    shutil.rmtree(repository.folder / ".dvc" / "cache", ignore_errors=True)
    shutil.rmtree(repository.folder / ".dvc" / "tmp", ignore_errors=True)
    shutil.rmtree(repository.folder / "models", ignore_errors=True)
    state = tmp_path / "state"
    link_environments(state)
    return Repository(repository.folder, repository.revisions, state)


@pytest.fixture
def link_environments(state: Path) -> Callable[[Path], None]:
    def link(other: Path) -> None:
        other.mkdir()
        (state / "environments").mkdir(exist_ok=True)
        (other / "environments").symlink_to(state / "environments")

    return link
