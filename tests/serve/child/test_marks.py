"""What the model prints is marked with the batch it is of, and is else as it was printed."""

import subprocess
import sys
from pathlib import Path

CHILD = Path(__file__).parents[3] / "serve" / "child"

PRINTING = """
import logging, os, sys
import marks
before = sys.stderr
marks.begin()
print("loading")
for number in (1, 2):
    with marks.batch(number):
        print("one", number)
        print("é", "two", sep="-", end="")
        sys.stdout.write("!\\n")
        logging.warning("told %s", number)
with marks.batch(3):
    pass
with marks.batch(4):
    os.write(1, b"past Python\\n")
print("between")
sys.__stdout__.write("the same\\n")
print(sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.line_buffering, sys.stdout.encoding)
"""


def printed() -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", PRINTING], cwd=CHILD, capture_output=True, check=True, text=True
    )
    return done.stdout, done.stderr


def test_a_mark_comes_once_before_what_is_printed_in_a_batch_and_none_where_nothing_is() -> None:
    stdout, stderr = printed()
    assert stdout == (
        "loading\n\x1e1\x1eone 1\né-two!\n\x1e2\x1eone 2\né-two!\npast Python\n"
        "\x1e0\x1ebetween\nthe same\n1 2 True utf-8\n"
    )
    assert stderr == "\x1e1\x1eWARNING:root:told 1\n\x1e2\x1eWARNING:root:told 2\n"
