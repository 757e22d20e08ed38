"""Programs of others (DVC, uv, sigstore's library), each in a process group that ends with whoever asked for it.

Left, be it by an error or by being cancelled, the block ends the group; killed, the server takes the program along: it
would go on where the next server begins anew. Only Linux does the latter (prctl, PR_SET_PDEATHSIG).
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

_DIES_WITH_US = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9);"
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


@contextlib.asynccontextmanager
async def started(
    command: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program whose path `command` begins with, its stdout and stderr pipes, for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-IS",
        "-c",
        _DIES_WITH_US,
        str(os.getpid()),
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
