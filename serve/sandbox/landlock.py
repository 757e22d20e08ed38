"""Landlock: from here on, files only as the rules say; no TCP, and nothing sent to processes outside, where it can.

Source: the kernel's Documentation/userspace-api/landlock.rst and linux/landlock.h. What a kernel's version of it does
not know is left out, and the version is reported. stat, chmod, chown, utime and chdir it does not know at all.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from linux import LANDLOCK_ADD_RULE, LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF, call

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1  # what the first version knows
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV

# What a place may be granted for. What is written is not run, and nobody makes devices.
GRANTS = {
    "run": EXECUTE | READ_FILE | READ_DIR,
    "read": READ_FILE | READ_DIR,
    "list": READ_DIR,
    "write": (_FIRST | _REFER | _TRUNCATE) & ~(EXECUTE | _MAKE_CHAR | _MAKE_BLOCK),
    "device": READ_FILE | READ_DIR | WRITE_FILE | _IOCTL_DEV,
}

_VERSION, _PATH_BENEATH = 1, 1
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1


def version() -> int:
    """The kernel's version of Landlock; 0 where it has none."""
    try:
        known: int = call(LANDLOCK_CREATE_RULESET, 0, 0, _VERSION)
    except OSError:
        return 0
    return known


def handled(known: int) -> int:
    """The rights over files that a version knows, and so denies where no rule grants them."""
    later = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
    return _FIRST | sum(right for since, right in later if known >= since)


def restrict(known: int, rules: Iterable[tuple[str, str]], network: bool) -> None:
    """Let this process, and all that comes of it, use (path, grant) alone. Paths that are not there are left out.

    It must have given up new privileges before, and may not take this back.
    """
    files = handled(known)
    tcp = _BIND_TCP | _CONNECT_TCP if known >= 4 and not network else 0
    scopes = _ABSTRACT_SOCKETS | _SIGNALS if known >= 6 else 0
    size = 8 if known < 4 else 16 if known < 6 else 24
    attributes = struct.pack("<QQQ", files, tcp, scopes)[:size]
    ruleset = call(LANDLOCK_CREATE_RULESET, ctypes.create_string_buffer(attributes, size), size, 0)
    for path, grant in rules:
        _add(ruleset, path, GRANTS[grant] & files)
    call(LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _add(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not there, or not for us: so it needs no rule
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, place), 12)
        call(LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
