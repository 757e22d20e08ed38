"""How a child is started: which model, under which interpreter, on which device, confined how."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from serve.child import wire
from serve.worker import confinement
from serve.worker.confinement import Confinement, Sandbox
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

    Beside it, what is in force there, with the errors of `confinement.start`.
    """
    return await confinement.start(
        command.confinement,
        [
            str(command.python),
            "-I",  # nothing of the operator's Python settings
            "-B",  # no bytecode: a snapshot stays as it was verified
            str(CHILD),
            str(descriptor),
        ],
        [(str(command.folder), "run"), (str(CHILD), "read"), (str(place), "write")],
        descriptor,
        place,
        devices=command.device != "cpu",
        env=child_environment(place, command.threads, command.device),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
