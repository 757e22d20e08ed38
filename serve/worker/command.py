"""How a child is started: which model, under which interpreter, on which device, confined how."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from serve.child import wire
from serve.worker.confinement import UNCONFINED, Confinement, Sandbox, SandboxPolicy, confined, launcher
from serve.worker.variables import child_environment

CHILD = Path(wire.__file__).parent


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a child: its model, its interpreter, its threads, the state folder for its scratch, its device.

    `device` is "cpu", "cuda" or "cuda:N"; where it is empty, MLflow chooses. Answers are no larger than
    `max_answer_bytes`, and have the rows asked where the model is known to answer `row_by_row`.
    """

    name: str
    digest: str
    folder: Path
    python: Path
    threads: int
    state: Path
    device: str = ""
    max_answer_bytes: int = wire.MAX_BODY_BYTES
    row_by_row: bool = False
    confinement: Confinement = Confinement()  # noqa: RUF009  # frozen


async def start(
    command: Command, descriptor: int, place: Path
) -> tuple[asyncio.subprocess.Process, "asyncio.Task[Sandbox]"]:
    """A child that talks on `descriptor`, with the folder `place` for its home; `OSError` where it can't be started.

    Beside it, what is in force there, known as soon as its interpreter begins: `SandboxFailed` where that is not
    enough, `FileNotFoundError` where there is no such interpreter.
    """
    own = [
        str(command.python),
        "-I",  # nothing of the operator's Python settings
        "-B",  # no bytecode: a snapshot stays as it was verified
        str(CHILD),
        str(descriptor),
    ]
    if command.confinement.policy is SandboxPolicy.OFF:
        return await _exec(command, own, (descriptor,), place), asyncio.create_task(_unconfined())
    ours, theirs = os.pipe()
    try:
        child = await _exec(command, [*_launcher(command, place, theirs), *own], (descriptor, theirs), place)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return child, asyncio.create_task(confined(command.confinement, ours))


async def _unconfined() -> Sandbox:
    return UNCONFINED


def _launcher(command: Command, place: Path, report: int) -> list[str]:
    rules = [(str(command.folder), "run"), (str(CHILD), "read"), (str(place), "write")]
    devices = command.device != "cpu"
    return launcher(command.confinement, command.python, rules, place, devices, report)


async def _exec(
    command: Command, arguments: list[str], descriptors: tuple[int, ...], place: Path
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *arguments,
        pass_fds=descriptors,
        cwd=place,
        env=child_environment(place, command.threads, command.device),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
