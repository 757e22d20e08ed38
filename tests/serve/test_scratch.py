import os
import subprocess
import sys
from pathlib import Path

import pytest

from serve import scratch


def test_a_scratch_folder_is_empty_ours_and_gone_after_its_block(tmp_path: Path) -> None:
    with scratch.folder(tmp_path) as place:
        assert place.parent == tmp_path / "scratch"
        assert place.name.startswith(f"{os.getpid()}-")
        assert list(place.iterdir()) == []
    assert not place.exists()


def test_a_scratch_folder_is_gone_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), scratch.folder(tmp_path) as place:
        raise KeyError
    assert not place.exists()


def test_read_only_folders_are_removed(tmp_path: Path) -> None:
    place = scratch.make(tmp_path)
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "file").touch(mode=0o444)
    for folder in (place / "a" / "b", place / "a", place):
        folder.chmod(0o555)
    scratch.remove(place)
    assert not place.exists()


def test_what_a_link_in_it_points_to_stays_as_it_was(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "file").touch()
    place = scratch.make(tmp_path)
    (place / "link").symlink_to(other)
    scratch.remove(place)
    assert not place.exists()
    assert (other / "file").exists()
    assert other.stat().st_mode & 0o777 == 0o700


def test_a_link_that_takes_the_place_of_a_folder_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    """As a process might make it that a killed server left behind: it swaps the two as fast as it can."""
    other = tmp_path / "other"
    (other / "folder").mkdir(parents=True)
    other.chmod(0o700)
    for _ in range(10):
        place = scratch.make(tmp_path)
        for number in range(20):
            (place / f"folder-{number}").mkdir()
            (place / f"link-{number}").symlink_to(other)
        with subprocess.Popen([sys.executable, "-c", SWAPPER, str(place)], stdout=subprocess.PIPE) as swapper:
            assert swapper.stdout is not None
            swapper.stdout.readline()
            scratch.remove(place)
            swapper.kill()
        assert other.stat().st_mode & 0o777 == 0o700
        assert (other / "folder").is_dir()


SWAPPER = """
import ctypes, os, sys
os.chdir(sys.argv[1])
swap = ctypes.CDLL(None).renameat2
pairs = [(f"folder-{number}".encode(), f"link-{number}".encode()) for number in range(20)]
print(flush=True)
while True:
    for folder, link in pairs:
        swap(-100, folder, -100, link, 2)
"""


def test_folders_in_folders_are_removed_however_deep(tmp_path: Path) -> None:
    place = scratch.make(tmp_path)
    descriptor = os.open(place, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("folder", dir_fd=descriptor)
        os.close(os.open("file", os.O_CREAT, dir_fd=descriptor))
        inner = os.open("folder", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    scratch.remove(place)
    assert not place.exists()


def test_removing_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    scratch.remove(tmp_path / "nowhere")


OWNER = """
import sys
from pathlib import Path
from serve import scratch
print(scratch.make(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_a_sweep_removes_what_nobody_owns_any_more_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        theirs, ours = Path(owner.stdout.readline().strip()), scratch.make(tmp_path)
        left, strange = (tmp_path / "scratch" / name for name in (f"{os.getpid()}-a", "kept"))
        for folder in (theirs, left, strange):
            (folder / "sub").mkdir(parents=True)
        scratch.sweep(tmp_path)
        assert {*(tmp_path / "scratch").iterdir()} == {theirs, ours, strange}
        owner.kill()
    scratch.remove(ours)
    scratch.sweep(tmp_path)
    assert [*(tmp_path / "scratch").iterdir()] == [strange]


def test_a_sweep_where_nothing_was_left_is_nothing(tmp_path: Path) -> None:
    scratch.sweep(tmp_path)


def test_a_state_folder_that_is_not_there_is_made_where_it_can_be(tmp_path: Path) -> None:
    place = scratch.make(tmp_path / "new" / "state")
    assert place.parent == tmp_path / "new" / "state" / "scratch"


def test_a_state_folder_that_can_not_be_written_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere, whatever the modes say
    with scratch.folder(tmp_path) as place:
        assert not place.is_relative_to(tmp_path / "scratch")
        assert not (tmp_path / "scratch").exists()
    assert not place.exists()


def test_a_folder_of_the_state_is_discarded_whole(tmp_path: Path) -> None:
    place = tmp_path / "snapshots" / "abc"
    (place / "model").mkdir(parents=True)
    (place / "model" / "MLmodel").touch(mode=0o444)
    for folder in (place / "model", place):
        folder.chmod(0o555)
    scratch.discard(tmp_path, place)
    assert list((tmp_path / "snapshots").iterdir()) == list((tmp_path / "scratch").iterdir()) == []


def test_a_folder_that_is_not_there_can_not_be_discarded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scratch.discard(tmp_path, tmp_path / "nothing")
