"""DVC's cache is kept true: what is there whole stays, what is wrong goes, what is being written is left alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve.artifact import cache
from serve.artifact.cache import md5

GOOD, OTHER = b"good", b"other"


def kept(folder: Path, name: bytes, data: bytes) -> str:
    """An object named as `name` is, with the bytes `data` → its oid."""
    oid = md5(name)
    place = cache.place(folder, oid)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    place.chmod(0o444)
    return oid


def test_a4_of_the_objects_asked_for_those_that_are_wrong_are_removed(tmp_path: Path) -> None:
    good, cut = kept(tmp_path, GOOD, GOOD), kept(tmp_path, OTHER, OTHER[:2])
    not_asked = kept(tmp_path, b"x", b"y")
    cache.remove_wrong(tmp_path, [good, cut, md5(b"absent")])
    assert cache.present(tmp_path, [good, cut, not_asked]) == {good, not_asked}


def test_a8_an_object_is_had_whole_or_not_at_all(tmp_path: Path) -> None:
    good, wrong = kept(tmp_path, GOOD, GOOD), kept(tmp_path, OTHER, GOOD)
    assert cache.get(tmp_path, good, 4) == GOOD
    assert cache.get(tmp_path, wrong, 4) is None
    assert cache.get(tmp_path, md5(b"absent"), 4) is None
    assert cache.present(tmp_path, [good, wrong]) == {good}


def test_a19_of_an_object_no_more_is_read_than_it_may_have(tmp_path: Path) -> None:
    oid = kept(tmp_path, GOOD, GOOD + bytes(2**20))
    assert cache.get(tmp_path, oid, 4) is None
    assert cache.present(tmp_path, [oid]) == set()


@pytest.mark.parametrize("suffix", ["", ".dir"])
def test_what_is_put_is_read_only_and_in_one_piece(tmp_path: Path, suffix: str) -> None:
    for _ in range(2):
        cache.put(tmp_path, md5(GOOD) + suffix, GOOD)
    place = cache.place(tmp_path, md5(GOOD) + suffix)
    assert (place.read_bytes(), place.stat().st_mode & 0o777) == (GOOD, 0o444)
    assert list(place.parent.iterdir()) == [place]


def test_a11_what_a_failed_download_left_is_removed_but_what_another_is_writing_is_not(tmp_path: Path) -> None:
    oid = kept(tmp_path, GOOD, GOOD)
    folder = cache.place(tmp_path, oid).parent
    left, written = folder / ".left.tmp", folder / ".written.tmp"
    left.touch()
    hold = "import sys; file = open(sys.argv[1], 'w'); print(flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", hold, written], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        found = cache.temporaries(tmp_path, [oid])
        assert found == {left, written}
        cache.remove_temporaries(found)
        assert cache.temporaries(tmp_path, [oid]) == {written}
        assert other.stdin is not None
        other.stdin.close()
    cache.remove_temporaries(found)
    assert list(folder.iterdir()) == [cache.place(tmp_path, oid)]


def test_a12_what_a_killed_download_left_is_removed_an_hour_later(tmp_path: Path) -> None:
    folder = tmp_path / "files" / "md5" / "ab"
    folder.mkdir(parents=True)
    for name in (".old.tmp", ".new.tmp", "cdef", "cdef.dir"):
        (folder / name).touch()
    for name in (".old.tmp", "cdef", "cdef.dir"):
        os.utime(folder / name, (0, time.time() - 3601))
    cache.sweep(tmp_path)
    assert {one.name for one in folder.iterdir()} == {".new.tmp", "cdef", "cdef.dir"}
