"""What a process may do beyond others: no capability, now or ever, no new privilege by any program, no core file."""

import contextlib
import resource
import struct

from linux import capset, prctl

_CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
_VERSION_3 = 0x20080522
_MOST_CAPABILITIES = 64


def drop() -> None:
    """Give up all of it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # before Linux 4.3 there were none
        prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    with contextlib.suppress(OSError):  # past the last one, or ours is not the right to: then we have none to lose
        for capability in range(_MOST_CAPABILITIES):
            prctl(_CAPBSET_DROP, capability)
    capset(struct.pack("=Ii", _VERSION_3, 0), bytes(24))
    prctl(_SET_NO_NEW_PRIVS, 1)
