"""stderr may be a pipe that is slowly read, or never."""

import contextlib
import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from serve import log
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


@pytest.fixture
def configured() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    log.configure()
    yield
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = handlers, level


EVIL = '\n{"event": "forged"}\r\x1b[31m\x9b\u2028\0'


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("theirs", [False, True], ids=["ours", "a library's"])
def test_whatever_is_logged_is_one_object_on_one_line(theirs: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """E-16."""
    if theirs:
        logging.getLogger("uvicorn.error").warning("told %s", EVIL)
    else:
        structlog.get_logger().info("told", path=EVIL)
    written = capfd.readouterr().err
    assert written.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", written)
    assert EVIL in json.loads(written).get("path", json.loads(written)["event"])


@pytest.mark.usefixtures("configured")
def test_a_value_that_is_very_long_is_cut_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info("told", path="x" * 10**6)
    told = json.loads(capfd.readouterr().err)["path"]
    assert len(told) < 17_000
    assert told.endswith("… (983616 more)")


def test_on_a_terminal_nothing_but_our_own_colours_is_acted_upon() -> None:
    shown = log._visible(None, "info", {"event": EVIL + "\ttab", "count": 1})
    assert shown == {"event": '\n{"event": "forged"}\\x0d\\x1b[31m\\x9b\u2028\\x00\ttab', "count": 1}
