"""Files that are followed: content counts once it has settled, and what is of no use changes nothing."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from serve.access.followed import Contents, Followed
from serve.errors import AccessUnreadable, KeysUnreadable


class Taker:
    """Takes any content but `broken`."""

    def __init__(self) -> None:
        self.taken: list[Contents] = []

    def take(self, contents: Contents) -> None:
        if b"broken" in contents:
            raise KeysUnreadable("line 1: broken")
        self.taken.append(contents)


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_bytes(b"one")
    return path


def look(followed: Followed, times: int = 2) -> None:
    for _ in range(times):
        followed.look()


def test_content_is_taken_at_start_and_anew_once_two_looks_agree(taker: Taker, file: Path) -> None:
    followed = Followed("keys", [file], taker.take)
    look(followed, 5)
    assert taker.taken == [(b"one",)]
    file.write_bytes(b"two")
    look(followed, 1)
    file.write_bytes(b"two and a half")
    look(followed, 1)
    assert taker.taken == [(b"one",)]
    look(followed, 5)
    assert taker.taken == [(b"one",), (b"two and a half",)]


def test_content_is_looked_at_and_not_its_time_or_size(taker: Taker, file: Path) -> None:
    followed = Followed("keys", [file], taker.take)
    stat = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    look(followed)
    assert taker.taken[-1] == (b"two",)


@pytest.mark.parametrize("harm", ["broken", "gone", "folder", "huge"])
def test_what_is_of_no_use_changes_nothing_and_is_said_once(taker: Taker, file: Path, harm: str) -> None:
    followed = Followed("keys", [file], taker.take)
    file.unlink()
    if harm == "broken":
        file.write_bytes(b"broken")
    elif harm == "folder":
        file.mkdir()
    elif harm == "huge":
        with file.open("wb") as opened:
            opened.truncate(2**20 + 1)
    with capture_logs() as logged:
        look(followed, 6)
    assert taker.taken == [(b"one",)]
    assert [one["log_level"] for one in logged] == ["warning"]
    assert str(file) in logged[0]["reason"]


def test_the_same_content_after_a_fault_is_said_to_be_read_again(taker: Taker, file: Path) -> None:
    followed = Followed("keys", [file], taker.take)
    file.unlink()
    look(followed)
    file.write_bytes(b"one")
    with capture_logs() as logged:
        look(followed)
    assert [one["event"] for one in logged] == ["access read anew"]


@pytest.mark.parametrize(("content", "told"), [(b"broken", "line 1: broken"), (None, "No such file")])
def test_a_file_of_no_use_at_start_is_an_error_that_names_it(
    taker: Taker, file: Path, content: bytes, told: str
) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AccessUnreadable, match=told) as caught:
        Followed("API keys", [file], taker.take)
    assert str(file) in caught.value.message


def test_files_that_belong_together_are_taken_together(taker: Taker, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"1")
    followed = Followed("certificates", [file, other], taker.take)
    file.write_bytes(b"two")
    look(followed, 1)
    other.write_bytes(b"2")
    look(followed, 3)
    assert taker.taken == [(b"one", b"1"), (b"two", b"2")]
