"""Row G-2: a push that fails, is partial, or is said to be done when it is not, never becomes a commit."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promote import pinning
from promote.errors import PromotionRefused
from serve.artifact import pin, verify
from serve.artifact.fetch import Store
from serve.artifact.pin import PinnedModel
from serve.errors import PullFailed
from tests.forms import FULL
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository
from tests.repositories import new_repository
from tests.stores import HttpStore, http_store

pytestmark = MLFLOWS_OWN_WARNINGS


@pytest.fixture
def empty(tmp_path: Path) -> Repository:
    return Repository(new_repository(tmp_path / "repo"), tmp_path / "state")


def pushed(repository: Repository, folder: Path, stamp: str = "first") -> pin.Pin:
    """With a stamp beside the model, as each promotion has: what it pins as a whole was never pushed before."""
    (folder / "stamp.txt").write_text(stamp)
    model = PinnedModel("nine", verify.tree_digest(verify.manifest(folder)))
    store = Store(repository.folder, repository.state)
    return asyncio.run(pinning.push(store, {"nine": folder}, (model,), repository.state / "promote", 60.0))


@FULL
def test_g2_what_dvc_believes_of_the_remote_from_before_is_not_relied_on(empty: Repository, tmp_path: Path) -> None:
    """While the remote has a listing, DVC believes that it has all files of it too, and sends none of them again."""
    folder = oracle(tmp_path / "model", 9)
    found = pushed(empty, folder)
    (empty.folder / "models.dvc").write_bytes(pin.write(found))
    dvc = [sys.executable, "-m", "dvc", "push"]
    subprocess.run(dvc, cwd=empty.folder, check=True, capture_output=True)
    victim = empty.object(verify.manifest(folder)["data/factor.txt"].md5)
    victim.unlink()
    told = subprocess.run(dvc, cwd=empty.folder, check=True, capture_output=True, text=True)
    assert "up to date" in told.stdout
    assert not victim.exists()
    pushed(empty, folder, "again")
    assert victim.exists()


@pytest.fixture
def over_http(empty: Repository) -> Iterator[tuple[Repository, HttpStore]]:
    with http_store() as store:
        config = empty.folder / ".dvc" / "config"
        config.write_text(config.read_text().replace("url = ../remote", f"url = {store.url}/store\n    method = PUT"))
        yield empty, store


WAYS = ("keeps half", "forgets", "cuts", "refuses", "gives half", "gives another")


@FULL
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", WAYS)
def test_g2_a_remote_at_fault_is_found_out_and_once_it_is_mended_the_same_again_completes(
    over_http: tuple[Repository, HttpStore], tmp_path: Path, way: str
) -> None:
    repository, store = over_http
    for time in range(10):
        folder = oracle(tmp_path / f"model-{time}", 9 + time)
        md5 = verify.manifest(folder)["data/factor.txt"].md5
        store.fault, store.spoiled = way, md5[2:]
        with pytest.raises((PromotionRefused, PullFailed), match=r"does not give back what was pushed|dvc push failed"):
            pushed(repository, folder)
        store.fault = ""
        if way == "keeps half":  # what a remote has under that name DVC sends no more: whoever keeps it must remove it
            store.held.pop(f"/store/files/md5/{md5[:2]}/{md5[2:]}")
        pushed(repository, folder, "again")  # which reads all of it back
