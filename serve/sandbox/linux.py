"""System calls that Python has no name for, on the two machines whose numbers we know; failures are `OSError`.

Source: asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64).
"""

import ctypes
import os
import sys
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

_MACHINES = ("x86_64", "aarch64")
# Where this machine's number stands in each pair; None on a machine that we do not know.
MACHINE = _MACHINES.index(os.uname().machine) if os.uname().machine in _MACHINES and sys.maxsize > 2**32 else None

SECCOMP = (317, 277)
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = (444, 444), (445, 445), (446, 446)
MOUNT_SETATTR = (442, 442)


def call(numbers: tuple[int, int], *arguments: Any) -> int:
    """What the system call returns; integers are passed as long ones."""
    if MACHINE is None:
        raise OSError(38, os.strerror(38))
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return _checked(_LIBC.syscall(ctypes.c_long(numbers[MACHINE]), *passed))


def prctl(option: int, *arguments: int) -> int:
    """prctl(2)."""
    passed = [ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_LIBC.prctl(option, *passed))


def capset(head: bytes, data: bytes) -> None:
    """capset(2)."""
    _checked(_LIBC.capset(ctypes.create_string_buffer(head, len(head)), ctypes.create_string_buffer(data, len(data))))


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(_LIBC.unshare(flags))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    words = [os.fsencode(one) for one in (source, target, kind)]
    _checked(_LIBC.mount(*words, ctypes.c_ulong(flags), os.fsencode(options)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
