"""Files that somebody else put there: read as far as asked, and never waited for."""

import os
from pathlib import Path

import pytest

from serve import files


def test_of_a_file_so_much_is_read_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    (tmp_path / "link").symlink_to("file")
    assert files.head(tmp_path / "file", 4) == b"abcd"
    assert files.head(tmp_path / "link", 10) == b"abcdef"


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/stdin", "/dev/tty", "/dev/fd"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to(place)
    with pytest.raises(OSError, match="link"):
        files.head(tmp_path / "link", 4)


def test_a_pipe_is_not_waited_for_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(f"/proc/self/fd/{reading}")
    os.write(writing, b"for another")
    for path in (tmp_path / "fifo", tmp_path / "link"):
        with pytest.raises(OSError, match="it is no plain file"):
            files.head(path, 4)
    assert os.read(reading, 60) == b"for another"
    os.close(reading)
    os.close(writing)
