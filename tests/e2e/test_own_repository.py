"""This repository is its own first user: a clone of it serves, and can roll back to all it ever pinned."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from serve.artifact import dvc, history, pin, verify
from tests.pages.blocks import blocks
from tests.pages.terminal import Terminal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a stranger gets: this repository at HEAD, with its history."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone")], check=True)
    return tmp_path / "clone"


def test_a_clone_serves_and_rolls_back_as_the_readme_says(clone: Path, state: Path, tmp_path: Path) -> None:
    """Typed with the commands that are installed here; tests/pages sets the clone up for itself, too."""
    page = [
        replace(block, text=block.text.replace("make serve", "serve").replace(".venv/bin/", ""))
        for block in blocks("README.md")
        if block.heading in ("Serve and predict", "Roll back")
    ]
    scratch = tmp_path / "typed"
    scratch.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with Terminal(clone, scratch, {**os.environ, "PATH": path, "PINION_ARTIFACT__STATE": str(state)}) as terminal:
        terminal.type(page)
        terminal.ask("git checkout --quiet HEAD -- models.dvc")
        assert terminal.ask("git status --porcelain").strip() == ""


async def test_every_pin_in_history_resolves_from_the_remote_in_git(clone: Path, tmp_path: Path) -> None:
    releases = history.releases(clone)
    assert len(releases) >= 3
    for release in releases:
        assert release.pin is not None
        async with dvc.checkout(clone, tmp_path / "state", private_cache=True) as scratch:
            (scratch.folder / pin.FILENAME).write_bytes(pin.write(release.pin))
            await dvc.run(scratch, "pull", pin.FILENAME, timeout_seconds=60)
            for model in release.pin.models:
                verify.require(scratch.folder / pin.FOLDER / model.name, model.name, model.digest)
