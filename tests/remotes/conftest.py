"""A repository whose remote is elsewhere, and what a server of it has: the operator's word and credentials, no more."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.server import SERVE
from tests.promoting import Repository
from tests.repositories import new_repository


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    """What `make e2e` installs for these."""
    for package in ("dvc_s3", "dvc_ssh", "moto", "psycopg2"):
        pytest.importorskip(package)


@dataclass(frozen=True)
class Author:
    """Who promotes from a repository to a remote at `url`, with `credentials` as environment variables."""

    repository: Repository
    url: str
    credentials: Mapping[str, str]
    elsewhere: Path

    def server_of(self, name: str = "server") -> Path:
        """A clone for a server, which has nothing of the author's machine."""
        folder = self.elsewhere / name
        subprocess.run(["git", "clone", "--quiet", str(self.repository.folder), str(folder)], check=True)
        return folder


def author(folder: Path, url: str, credentials: Mapping[str, str]) -> Author:
    """With a new repository in `folder`, whose default remote is `url`."""
    repo = new_repository(folder / "repo")
    config = repo / ".dvc" / "config"
    config.write_text(config.read_text().replace("url = ../remote", f"url = {url}"))
    subprocess.run(["git", "-C", str(repo), "commit", "--quiet", "--all", "--message=Remote"], check=True)
    kept = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path("~/.cache/uv").expanduser()))}
    one = Author(Repository(repo, folder / "state", {**kept, **credentials}), url, credentials, folder)
    shutil.rmtree(folder / "remote", ignore_errors=True)
    return one


def prepare(repo: Path, state: Path, variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """`serve prepare` with these variables: it pulls, and says in a line why it could not."""
    told = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SSH_"))}
    told |= {"PINION_ARTIFACT__STATE": str(state), "AWS_EC2_METADATA_DISABLED": "true", **variables}
    return subprocess.run([SERVE, "prepare", "--repo", str(repo)], env=told, capture_output=True, text=True)


def why(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line that a refusal ends with."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("serve: "), done.stderr
    return last.removeprefix("serve: ")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")
