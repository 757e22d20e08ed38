"""Ends a process with all that it started, and says in words how one ended: killed for want of memory, say."""

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path

from serve.groups import GROUPS, PROCESSES, file_of

_OUT_OF_MEMORY = "killed by SIGKILL, out of memory"


def ending(returncode: int) -> str:
    """How a process ended: by a signal, or with an exit code."""
    if returncode < 0:
        known = -returncode in signal.valid_signals() and -returncode in list(signal.Signals)
        return f"killed by {signal.Signals(-returncode).name if known else f'signal {-returncode}'}"
    return f"exited with code {returncode}"


class Memory:
    """The control group that a process began in, which counts those that the kernel killed in it for want of memory.

    Of either version of control groups; where there is none to be read, no death is told to be for want of memory.
    """

    def __init__(self, pid: int, groups: Path = GROUPS, processes: Path = PROCESSES) -> None:
        self._events = file_of(pid, "memory", "memory.oom_control", "memory.events", groups, processes)
        self._before = self._kills()

    def told(self, returncode: int) -> str:
        """How the process ended."""
        ran_out = returncode == -signal.SIGKILL and self._kills() > self._before
        return _OUT_OF_MEMORY if ran_out else ending(returncode)

    def _kills(self) -> int:
        with contextlib.suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", self._events.read_text() if self._events else "", re.MULTILINE)
            return int(found[1]) if found else 0
        return 0


async def leave_nothing(child: asyncio.subprocess.Process) -> None:
    """When the child is gone, end what it had started: a fork of it holds our connection, which would not close."""
    await child.wait()
    kill_group(child.pid)


def kill_group(pid: int) -> None:
    """End a child and all of its process group, as far as any is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS forbids it where only a zombie is left
        os.killpg(pid, signal.SIGKILL)
