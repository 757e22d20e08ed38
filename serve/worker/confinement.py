"""How a process is confined: what the operator asks, the command line that sees to it, and what came of it.

`serve/sandbox` does it, in the process itself, before anything of the model runs there. What this kernel does not give
is said in words (`Sandbox.open`), and never passed over.
"""

import asyncio
import enum
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serve import sandbox
from serve.errors import SandboxFailed
from serve.worker import places
from serve.worker.places import Rule

_LAUNCHER = Path(sandbox.__file__).parent
_REFUSALS = ("Permission denied", "Operation not permitted", "Read-only file system")


class SandboxPolicy(enum.StrEnum):
    """Whether a model's process is confined."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What the operator asks: how strictly, whether the network is granted, and which paths beside the model's own."""

    policy: SandboxPolicy = SandboxPolicy.AUTO
    network: bool = False
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()

    def hint(self, message: str) -> str:
        """What to say behind an error that may be the confinement's doing; '' where it is not."""
        if self.policy is SandboxPolicy.OFF or not any(one in message for one in _REFUSALS):
            return ""
        return (
            " (a model's process reads its own files, writes its scratch folder and has no network;"
            " worker.readable, worker.writable and worker.network grant more)"
        )


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What is in force in a process: Landlock's version (0: none), seccomp, namespaces; `open` says what is not."""

    policy: str
    landlock: int = 0
    seccomp: bool = False
    namespaces: tuple[str, ...] = ()
    network: str = "granted"
    open: tuple[str, ...] = ()

    @property
    def facts(self) -> Mapping[str, Any]:
        """For the log and `/models`."""
        return asdict(self)


UNCONFINED = Sandbox("off", open=("it may do what the server's user may",))
_NOTHING = b'{"landlock": 0, "seccomp": false, "namespaces": []}\n'  # where there is no Linux


async def start(
    confinement: Confinement,
    command: Sequence[str],
    rules: Sequence[Rule],
    descriptor: int,
    place: Path | None = None,
    devices: bool = False,
    **options: Any,
) -> tuple[asyncio.subprocess.Process, "asyncio.Task[Sandbox]"]:
    """A process that runs `command`, an interpreter's, confined; it inherits `descriptor` and begins in `place`.

    `rules` are granted beside what the operator grants, and what the system and that interpreter need; `options` are
    asyncio's. Beside the process, what is in force there, known as soon as its interpreter begins: `SandboxFailed`
    where that is not enough, `FileNotFoundError` where there is no such interpreter.
    """
    if confinement.policy is SandboxPolicy.OFF or sys.platform != "linux":
        sandbox = UNCONFINED if confinement.policy is SandboxPolicy.OFF else in_force(confinement, _NOTHING)
        child = await asyncio.create_subprocess_exec(*command, pass_fds=(descriptor,), cwd=place, **options)
        return child, asyncio.create_task(_at_once(sandbox))
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LAUNCHER)),
                json.dumps(_asked(confinement, Path(command[0]), rules, place, devices, theirs.fileno())),
                *command,
                pass_fds=(descriptor, theirs.fileno()),
                cwd=place,
                **options,
            )
    except BaseException:
        ours.close()
        raise
    confined = asyncio.create_task(_confined(confinement, ours))
    confined.add_done_callback(lambda _: ours.close())  # even where it was cancelled before it began
    return child, confined


def _asked(
    confinement: Confinement, python: Path, rules: Sequence[Rule], place: Path | None, devices: bool, report: int
) -> dict[str, Any]:
    """What `serve/sandbox` is told."""
    granted = [
        *places.system(devices),
        *places.interpreter(python),
        *((str(path), "read") for path in confinement.readable),
        *((str(path), "write") for path in confinement.writable),
        *rules,
    ]
    return {
        "report": report,
        "folder": str(place) if place is not None else ".",
        "network": confinement.network,
        "required": confinement.policy is SandboxPolicy.REQUIRED,
        "rules": granted,
    }


async def _at_once(sandbox: Sandbox) -> Sandbox:
    return sandbox


async def _confined(confinement: Confinement, end: socket.socket) -> Sandbox:
    """What is said on the other end, which closes as the process is confined, or as it ends."""
    end.setblocking(False)
    report = b""
    while said := await asyncio.get_running_loop().sock_recv(end, 4096):
        report += said
    return in_force(confinement, report)


def in_force(confinement: Confinement, report: bytes) -> Sandbox:
    """What a process reports, with the errors of `start`."""
    said: dict[str, Any] = {}
    for line in report.splitlines():
        said.update(json.loads(line))
    if "absent" in said:
        raise FileNotFoundError(said["absent"])
    if "landlock" not in said:
        told = f"a model's process could not be confined: {said.get('failed', 'it ended')}"
        raise SandboxFailed(f"{told}; PINION_WORKER__SANDBOX=off would start it unconfined")
    missing = [word for word, there in (("Landlock", said["landlock"]), ("seccomp", said["seccomp"])) if not there]
    if confinement.policy is SandboxPolicy.REQUIRED and missing:
        told = f"worker.sandbox is required, and the kernel has no {' and no '.join(missing)} to offer"
        raise SandboxFailed(f"{told}: use Linux 5.13 or newer, or PINION_WORKER__SANDBOX=auto, which does without")
    return Sandbox(
        str(confinement.policy),
        said["landlock"],
        said["seccomp"],
        tuple(said["namespaces"]),
        _network(confinement, said),
        tuple(_open(said)),
    )


def _network(confinement: Confinement, said: Mapping[str, Any]) -> str:
    if confinement.network:
        return "granted"
    return "none" if said["seccomp"] or "network" in said["namespaces"] else "open"


def _open(said: Mapping[str, Any]) -> list[str]:
    """What a model may do that it should not, in words."""
    landlock, seccomp, mount = said["landlock"], said["seccomp"], "mount" in said["namespaces"]
    told = [
        (landlock == 0, f"no Landlock: it may read {'' if mount else 'and write '}what the server's user may"),
        (0 < landlock < 3, "Landlock before its version 3: it may truncate files that it may read"),
        (landlock < 6, "Landlock before its version 6: it may send signals to processes of the server's user"),
        (not seccomp, "no seccomp: it may use every system call, and start what outlives it"),
        (not mount, "no namespaces: it may change modes and dates of files of the server's user"),
    ]
    return [words for is_open, words in told if is_open]
