"""Row G-11: whichever disk is full, or may only be read, the promotion is refused, and leaves nothing behind.

Each place is a file system of its own, as full as can be. Once there is room the same promotion completes.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from promote import git
from promote.errors import PromotionRefused
from tests.forms import FULL
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository

pytestmark = MLFLOWS_OWN_WARNINGS
FULL_DISK = "No space left on device"


@contextmanager
def disk(place: Path, size: str = "4m") -> Iterator[Path]:
    """A small file system at `place`, which holds what is there already."""
    aside = place.with_name(f"{place.name}.aside")
    if place.exists():
        place.rename(aside)
    place.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"needs a small file system, and may not mount one here: {mounted.stderr.decode().strip()}")
    try:
        if aside.exists():
            shutil.copytree(aside, place, symlinks=True, dirs_exist_ok=True)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def full(place: Path) -> Iterator[None]:
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)


PLACES: dict[str, Callable[[Repository], Path]] = {
    "staging": lambda one: one.state / "promote",
    "cache": lambda one: one.folder / ".dvc" / "cache",
    "remote": lambda one: one.folder / "remote",
    "git": lambda one: one.folder / ".git" / "objects",
}
CASES = [
    pytest.param("staging", full, FULL_DISK, marks=FULL),
    pytest.param("cache", full, FULL_DISK, marks=FULL),
    pytest.param("cache", read_only, "Read-only file system", marks=FULL),
    ("remote", full, FULL_DISK),
    pytest.param("remote", read_only, "Read-only file system", marks=FULL),
    pytest.param("git", full, "git commit failed: .*No space left on device", marks=FULL),
    pytest.param("git", read_only, "git commit failed: .*Read-only file system", marks=FULL),
]


@pytest.mark.parametrize(("name", "spoil", "sentence"), CASES)
def test_g11_where_a_disk_is_full_or_can_only_be_read_nothing_is_changed(
    repository: Repository,
    three: Path,
    tmp_path: Path,
    name: str,
    spoil: Callable[[Path], Iterator[None]],
    sentence: str,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "environments").symlink_to(repository.state / "environments")
    repository = replace(repository, state=state)
    with disk(PLACES[name](repository)) as place:
        before, models = repository.fingerprint(), sorted((repository.folder / "models").rglob("*"))
        with spoil(place):  # type: ignore[attr-defined]
            refusal = repository.promote_here(three, "--name", "oracle").refusal
            assert repository.fingerprint() == before
        assert re.search(sentence, refusal), refusal
        assert sorted((repository.folder / "models").rglob("*")) == models
        assert not list((state / "promote" / "scratch").glob("*"))
        told = repository.promote_here(three, "--name", "oracle")
        assert told.revision == repository.git("rev-parse", "HEAD")
        repository.require_resolvable()


def test_g11_a_work_tree_that_is_full_as_the_pin_is_written_keeps_the_old_one(
    repository: Repository, tmp_path: Path
) -> None:
    pinned = git.look(repository.folder)
    assert pinned is not None
    with disk(repository.folder, "16m") as place:
        before = repository.fingerprint()
        with full(place), pytest.raises((OSError, PromotionRefused), match=FULL_DISK):
            git.commit(repository.folder, pinned, pinned + b"#" * 8192, "Another")
        assert repository.fingerprint() == before


@FULL
def test_g11_a_work_tree_too_full_for_the_model_keeps_the_promotion_and_says_so(
    repository: Repository, three: Path, tmp_path: Path
) -> None:
    with disk(repository.folder / "models") as place, full(place):
        told = repository.promote_here(three, "--name", "oracle")
        assert told.revision == repository.git("rev-parse", "HEAD")
        assert "note       models/ in the work tree was not updated" in told.stderr
    repository.require_resolvable()
