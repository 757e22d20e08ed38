"""stderr may be a pipe that is slowly read, or never."""

import contextlib
import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.log import _Stream
from tests.forms import TIMED, within

LONG = "x" * 300_000 + "\n"  # longer than a pipe


@contextlib.contextmanager
def piped() -> Iterator[int]:
    """stderr is a pipe, of which this is the reading end."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stderr, contextlib.redirect_stderr(stderr):
        yield reading
    os.close(reading)


def test_a_line_longer_than_a_pipe_comes_whole_to_who_reads() -> None:
    with piped() as pipe:
        writer = threading.Thread(target=_Stream().write, args=(LONG,))
        writer.start()
        read = b""
        while len(read) < len(LONG):
            read += os.read(pipe, 65536)
        writer.join()
    assert read == LONG.encode()


@TIMED
def test_nobody_waits_long_for_who_does_not_read() -> None:
    with piped():
        stream, began = _Stream(), time.monotonic()
        for _ in range(100):
            assert stream.write(LONG) == len(LONG)
        assert time.monotonic() - began < within(1.0)


def test_after_a_line_that_was_cut_the_next_is_whole() -> None:
    with piped() as pipe:
        stream = _Stream()
        for line in (LONG, "lost\n"):
            stream.write(line)
        assert set(os.read(pipe, len(LONG))) == set(b"x")
        for line in ("kept\n", "too\n"):
            stream.write(line)
        assert os.read(pipe, 100) == b"\nkept\ntoo\n"


def test_where_stderr_is_no_descriptor_it_is_written_all_the_same() -> None:
    held = io.BytesIO()
    with contextlib.redirect_stderr(io.TextIOWrapper(held)):
        _Stream().write("a line\n")
        assert held.getvalue() == b"a line\n"


@pytest.mark.parametrize("there", [True, False])
def test_without_a_stderr_lines_are_lost(tmp_path: Path, there: bool) -> None:
    with (tmp_path / "log").open("w") as file:
        pass
    with contextlib.redirect_stderr(file if there else None):
        assert _Stream().write("a line\n") == 7
