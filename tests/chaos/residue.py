"""What a server leaves behind: processes, descriptors, threads, sockets, temp files, shared memory, its state folder.

`no_residue(server)` watches a block on a living server, `nothing_left(state)` one in which a server comes and goes.
Both assert, at the end of the block, that within some seconds everything is as it was; they name what is not.
A server's temp files go where TMPDIR says, which tests set to a folder of their own.
"""

import contextlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.server import Server

SETTLE_SECONDS = 10.0
_SHARED_MEMORY = Path("/dev/shm")
_SLACK = {"descriptors": 2, "threads": 2, "sockets": 0, "scratches": 0}


@dataclass(frozen=True)
class Footprint:
    """All that a server occupies besides memory; processes by name, with zombies as such."""

    processes: Counter[str]
    descriptors: int
    threads: int
    sockets: int
    scratches: int
    temps: frozenset[str]

    def beyond(self, before: "Footprint") -> dict[str, object]:
        """What is more than it was, by name, and processes that are others: the last request before may still leave."""
        told: dict[str, object] = dict.fromkeys(self.temps - before.temps, "is new")
        for name, slack in _SLACK.items():
            then, now = getattr(before, name), getattr(self, name)
            if now > then + slack:
                told[name] = f"{then} became {now}"
        if self.processes != before.processes:
            told["processes"] = f"{before.processes} became {self.processes}"
        return told


def footprint(server: Server) -> Footprint:
    front = psutil.Process(server.process.pid)
    return Footprint(
        Counter(_told(child) for child in front.children(recursive=True)),
        front.num_fds(),
        front.num_threads(),
        len(front.net_connections("all")),
        len(_scratches(server.state)),
        _temps(),
    )


@contextlib.contextmanager
def no_residue(server: Server) -> Iterator[None]:
    """The block leaves the server as it was: as many processes, descriptors, threads and sockets, the same files."""
    before = footprint(server)
    yield
    _settled(lambda: footprint(server).beyond(before))


@contextlib.contextmanager
def nothing_left(state: Path) -> Iterator[None]:
    """After the block no process of a server with this state folder lives, and no file of it is left."""
    before = _temps()
    yield
    _settled(lambda: {**_of(state), **dict.fromkeys(_scratches(state) | _temps() - before, "is left")})


def eventually(holds: Callable[[], bool], seconds: float = SETTLE_SECONDS) -> bool:
    """Whether it comes to hold within so many seconds: for what tells nobody that it changed, as processes do."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _settled(beyond: Callable[[], dict[str, object]]) -> None:
    assert eventually(lambda: not beyond()), f"left behind: {beyond()}"


def _told(process: psutil.Process) -> str:
    try:
        return "zombie" if process.status() == psutil.STATUS_ZOMBIE else process.name()
    except psutil.NoSuchProcess:
        return "gone"


def _of(state: Path) -> dict[str, object]:
    """The living processes that name the state folder in their environment, as the server and its children do."""
    return {f"{one.pid} {_told(one)}": "lives" for one in psutil.process_iter() if _names(one, state)}


def _names(process: psutil.Process, state: Path) -> bool:
    try:
        variables = process.environ()
    except (psutil.Error, OSError):
        return False
    return process.pid != os.getpid() and any(value.startswith(str(state)) for value in variables.values())


def _scratches(state: Path) -> frozenset[str]:
    return _in(state / "scratch")


def _temps() -> frozenset[str]:
    return _in(Path(tempfile.gettempdir())) | _in(_SHARED_MEMORY)


def _in(place: Path) -> frozenset[str]:
    return frozenset(map(str, place.iterdir())) if place.is_dir() else frozenset()
