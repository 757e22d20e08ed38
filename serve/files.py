"""A file that somebody else may have put there → its first bytes: as many as asked for, and never waited for.

A link may lead to a pipe, a terminal, or a device that has no end. These are no files here.
"""

import errno
import os
import stat
from pathlib import Path


def head(path: Path, most_bytes: int) -> bytes:
    """Its bytes, up to so many; `OSError` where it can't be read, or is no plain file."""
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        return file.read(most_bytes)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
