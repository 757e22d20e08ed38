"""Row G-9 for odd files: what is pinned is what was rehearsed, and what can't be pinned is named."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from promote import export, pinning
from promote.errors import PromotionRefused
from promote.source import Candidate
from serve.artifact import verify
from serve.artifact.fetch import Store
from serve.artifact.pin import PinnedModel
from tests.forms import FULL
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository
from tests.repositories import new_repository

pytestmark = MLFLOWS_OWN_WARNINGS
NAMES = (
    *(
        "a b",
        " lead",
        "trail ",
        "-rf",
        "--help",
        "$(id)",
        "`x`",
        "%41",
        "#x",
        "?q",
        "*",
        "[x]",
        "~",
        "'q\"",
        "a;b",
        "a|b",
    ),
    *("\u00e9", "e\u0301", "日本", "emoji😀", "\u202ebidi"),
    *("x" * 255, "A", "a", "CON", "nul.", ".hidden", ".gitignore", "x.DVC", ".x.tmp", "models.dvc.txt"),
)


def download(model: Path, staging: Path) -> Path:
    staging.mkdir()
    return export.download(Candidate(str(model), local=True), staging, 60.0)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """With links among its own, permissions of all kinds, holes, empty files and folders."""
    model = oracle(tmp_path / "model", 3)
    for name in NAMES:
        (model / "data" / name).write_text(name)
    (model / "data" / "empty").touch()
    (model / "data" / "hollow" / "deeper").mkdir(parents=True)
    os.link(model / "data" / "A", model / "data" / "hard")
    (model / "data" / "setuid").touch(0o6755)
    (model / "data" / "unreadable").touch(0)
    with (model / "data" / "sparse").open("wb") as file:
        file.truncate(5 * 2**20)
    return model


def test_a_model_is_staged_as_it_will_be_served(odd: Path, tmp_path: Path) -> None:
    found = download(odd, tmp_path / "staging")
    assert verify.manifest(found) == verify.manifest(odd)
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.rglob("*") if path.is_file()} == {0o444}
    assert not (found / "data" / "hollow").exists()
    assert (found / "data" / "hard").stat().st_nlink == 1


def pushed(folder: Path, root: Path) -> Path:
    """Pinned with real DVC, read back from its remote."""
    repository = Repository(new_repository(root / "repo"), root / "state")
    model = PinnedModel("odd", verify.tree_digest(verify.manifest(folder)))
    store = Store(repository.folder, repository.state)
    asyncio.run(pinning.push(store, {"odd": folder}, (model,), repository.state / "promote", 60.0))
    return repository.folder / "remote"


@FULL
def test_every_odd_name_comes_back_from_dvc(odd: Path, tmp_path: Path) -> None:
    remote = pushed(download(odd, tmp_path / "staging"), tmp_path)
    assert len([path for path in remote.rglob("*") if path.is_file()]) > len(NAMES)


def test_what_dvc_would_leave_out_is_named(tmp_path: Path) -> None:
    model = oracle(tmp_path / "model", 3)
    (model / "data" / ".git").mkdir()
    (model / "data" / ".git" / "config").write_text("[core]\n")
    with pytest.raises(PromotionRefused, match=r"DVC would leave out odd/data/.git/config \(1 files\)"):
        pushed(model, tmp_path)
    assert not list((tmp_path / "repo" / "remote").rglob("*"))


SPECIAL: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: os.mknod(path, 0o20666, os.makedev(1, 5)),
    "a socket": lambda path: os.mknod(path, 0o140666),
    "a link": lambda path: os.symlink("factor.txt", path),
    "a link to nothing": lambda path: os.symlink("/nowhere", path),
    "a link to its own folder": lambda path: os.symlink(".", path),
    "a link out": lambda path: os.symlink("/etc", path),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_plain_file_is_refused_and_never_read(tmp_path: Path, kind: str) -> None:
    model = oracle(tmp_path / "model", 3)
    SPECIAL[kind](model / "data" / "special")
    with pytest.raises(Exception, match=r"only plain files are pinned$"):
        download(model, tmp_path / "staging")
