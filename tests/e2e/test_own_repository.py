"""This repository is its own first user: a clone of it serves, and can roll back to all it ever pinned."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from serve.artifact import dvc, history, pin, verify
from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a stranger gets: this repository at HEAD, with its history."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone")], check=True)
    return tmp_path / "clone"


def predict_as_the_readme_says(server: Server, model: str) -> dict[str, str]:
    body = json.loads((ROOT / "docs" / "examples" / f"{model}.json").read_text())
    answer = server.predict(body, f"/models/{model}/predict")
    assert answer.status_code == 200, answer.text
    return dict(answer.headers)


def test_a_clone_serves_and_rolls_back_as_the_readme_says(clone: Path, state: Path) -> None:
    first = re.search(r"git checkout ([0-9a-f]+) -- models.dvc", (ROOT / "README.md").read_text())
    assert first is not None
    with Server(clone, state).ready() as server:
        assert predict_as_the_readme_says(server, "tumours")["x-model-name"] == "tumours"
        newest = predict_as_the_readme_says(server, "digits")["x-model-revision"]
        subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", first[1], "--", "models.dvc"], check=True)
        server.wait("release live", count=2)
        oldest = predict_as_the_readme_says(server, "digits")["x-model-revision"]
        assert oldest.startswith(first[1])
        assert oldest != newest
        subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", "HEAD", "--", "models.dvc"], check=True)
        server.wait("release live", count=3)
        assert predict_as_the_readme_says(server, "digits")["x-model-revision"] == newest
        status = ["git", "-C", str(clone), "status", "--porcelain"]
        assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == ""


async def test_every_pin_in_history_resolves_from_the_remote_in_git(clone: Path, tmp_path: Path) -> None:
    releases = history.releases(clone)
    assert len(releases) >= 3
    for release in releases:
        assert release.pin is not None
        with dvc.checkout(clone, tmp_path / "state", private_cache=True) as scratch:
            (scratch.folder / pin.FILENAME).write_bytes(pin.write(release.pin))
            await dvc.run(scratch, "pull", pin.FILENAME, timeout_seconds=60)
            for model in release.pin.models:
                verify.require(scratch.folder / pin.FOLDER / model.name, model.name, model.digest)
