"""What is pinned is made by DVC itself, once; each test gets a copy."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from serve.artifact import dvc, pin, verify
from serve.artifact.pin import Pin, PinnedModel
from tests.pulls.pinned import LARGE_BYTES, Pinned, tree
from tests.pulls.remotes import FaultProxy, over_http
from tests.repositories import new_repository


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pinned:
    """Made by DVC itself, once."""
    root = tmp_path_factory.mktemp("pinned")
    repo = new_repository(root / "repo")
    files = {"model/MLmodel": b"x: 1\n", "model/weights": random.Random(1).randbytes(LARGE_BYTES), "golden.json": b"{}"}
    digest = verify.tree_digest(verify.manifest(tree(root / "staged", files)))

    async def push() -> Pin:
        async with dvc.checkout(repo, root / "state") as scratch:
            shutil.copytree(root / "staged", scratch.folder / "models" / "digits")
            await dvc.run(scratch, "add", "models", timeout_seconds=120)
            await dvc.run(scratch, "push", "models.dvc", timeout_seconds=120)
            return pin.read_out((scratch.folder / "models.dvc").read_bytes())

    added = replace(asyncio.run(push()), models=(PinnedModel("digits", digest),))
    shutil.rmtree(repo / ".dvc" / "cache")
    return Pinned(root, added)


@pytest.fixture
def pinned(made: Pinned, tmp_path: Path) -> Pinned:
    """A copy for one test, with nothing in the cache and no state."""
    shutil.copytree(made.repo, tmp_path / "repo", symlinks=True)
    return Pinned(tmp_path, made.pin)


@pytest.fixture
async def proxy(pinned: Pinned) -> AsyncIterator[FaultProxy]:
    """The remote over a network."""
    async with over_http(pinned.remote) as one:
        yield one
