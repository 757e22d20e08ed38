"""Shut this process in as it is asked to, say what is in force, and become the command.

ASKED is JSON: `report`, a descriptor to write to; `folder`, where the command is to begin; `network`, whether that is
granted; `rules`, pairs of a path and a grant of `landlock.GRANTS`; `required`, whether to end where there is no
Landlock or no seccomp. The report is a line of JSON, or one with `failed` in its place, or one with `absent` behind it
where the command can't begin. It closes as that does.
"""

import json
import os
import signal
import sys
from typing import Any

import landlock
import privileges
import seccomp
import spaces
from linux import prctl

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Never returns but in failure, which may be that the server waits no more."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    os.set_inheritable(asked["report"], False)
    try:
        in_force = _confine(asked)
    except OSError as error:
        _tell(asked["report"], {"failed": str(error)})
        return 1
    _tell(asked["report"], in_force)
    if asked["required"] and not (in_force["landlock"] and in_force["seccomp"]):
        return 1
    try:
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # no shell is what is wanted
    except OSError as error:
        _tell(asked["report"], {"absent": str(error)})
        return 1


def _confine(asked: dict[str, Any]) -> dict[str, Any]:
    network, rules = bool(asked["network"]), [(path, grant) for path, grant in asked["rules"]]
    own_memory = os.path.isdir(spaces.SHARED_MEMORY) and not any(
        _is_in(spaces.SHARED_MEMORY, path) for path, _ in rules
    )
    namespaces = spaces.enter(network, [path for path, grant in rules if grant == "write"], own_memory)
    os.chdir(asked["folder"])  # by its path, which leads to what may be written from now on
    if "mount" in namespaces and own_memory:
        rules.append((spaces.SHARED_MEMORY, "write"))
    privileges.drop()
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # to die with the server; not before, for who loses privileges loses this
    known = landlock.version()
    if known:
        # A rule is for an entry as the kernel holds it, which it may forget and make anew, unless somebody has it open.
        os.set_inheritable(os.open("/proc/self", os.O_PATH), True)
        landlock.restrict(known, rules, network)
    return {"landlock": known, "seccomp": seccomp.install(network), "namespaces": namespaces}


def _is_in(folder: str, path: str) -> bool:
    return os.path.commonpath((folder, path)) == folder


def _tell(report: int, what: dict[str, Any]) -> None:
    try:
        os.write(report, json.dumps(what).encode() + b"\n")
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
