"""Namespaces: a network, shared memory and a view of the files of its own, where this process may have them.

Root gets them as it is; anyone else by way of a user namespace, which many containers and some systems refuse. In that
view all is read-only but what may be written: so neither modes nor dates change, of which Landlock knows nothing.
"""

import ctypes
import os
import struct
from collections.abc import Sequence

from linux import MOUNT_SETATTR, call, mount, unshare

_NEWNS, _NEWIPC, _NEWUSER, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 0x1000, 0x4000, 0x80000
_RDONLY, _NOSUID = 1, 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
SHARED_MEMORY = "/dev/shm"  # noqa: S108  # not to be written to, but to be replaced


def enter(network: bool, writable: Sequence[str], own_memory: bool) -> list[str]:
    """The namespaces that this process is in from here on, by name; none where they are refused.

    "mount" is told where all is read-only but for `writable`, and for shared memory of its own where `own_memory`.
    """
    kinds = _NEWNS | _NEWIPC | (0 if network else _NEWNET)
    user = _unshare(kinds)
    if user is None:
        return []
    entered = ["ipc", *([] if network else ["network"]), *user]
    if _look_only(writable, own_memory):
        entered.append("mount")
    return sorted(entered)


def _unshare(kinds: int) -> list[str] | None:
    """["user"] where that took one, [] where it did not, None where it can't be."""
    try:
        unshare(kinds)
    except OSError:
        if os.geteuid() == 0:  # root of a container, which may well not be mapped into another
            return None
    else:
        return []
    uid, gid = os.geteuid(), os.getegid()
    try:
        unshare(kinds | _NEWUSER)
    except OSError:
        return None
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    return ["user"]


def _look_only(writable: Sequence[str], own_memory: bool) -> bool:
    """Whether that can be. Others' mounts still come and go here, or they could not be undone; ours none other sees."""
    places = [place for place in writable if os.path.exists(place)]
    try:
        mount("", "/", "", _MS_REC | _MS_SLAVE)
        for place in places:
            mount(place, place, "", _MS_BIND)
        if own_memory:
            mount("tmpfs", SHARED_MEMORY, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777")
            places.append(SHARED_MEMORY)
        _set_attributes("/", _RDONLY | _NOSUID, 0, _AT_RECURSIVE)
    except OSError:
        return False
    for place in places:
        _set_attributes(place, 0, _RDONLY, 0)
    return True


def _set_attributes(place: str, put: int, taken: int, flags: int) -> None:
    attributes = ctypes.create_string_buffer(struct.pack("<QQQQ", put, taken, 0, 0), 32)
    call(MOUNT_SETATTR, _AT_FDCWD, os.fsencode(place), flags, attributes, 32)
