"""A server whose sockets are systemd's: through a restart nobody is refused, and systemd knows how it stands.

Here the test is systemd: it holds the listening socket, hands it over, and hears what is said.
"""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.chaos.residue import eventually
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import within

_HANDS_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


class Supervisor:
    """Holds a listening socket, starts servers on it, and hears them."""

    def __init__(self, folder: Path) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port: int = self.listener.getsockname()[1]
        self.words: list[str] = []
        self._hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._hearing.bind(str(folder / "notify"))
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        heard = {"NOTIFY_SOCKET": self._hearing.getsockname(), "WATCHDOG_USEC": "1000000"}
        return {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", **heard}

    def heard(self, word: str) -> int:
        return sum(one == word for one in self.words)

    def _hear(self) -> None:
        while data := self._hearing.recv(4096):
            self.words += data.decode().split("\n")

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.sendto(b"", self._hearing.getsockname())
        self._thread.join()
        self._hearing.close()
        self.listener.close()


class Activated(Server):
    """`serve`, with the supervisor's socket."""

    def __init__(self, supervisor: Supervisor, repository: Repository, **settings: Any) -> None:
        self._supervisor = supervisor
        super().__init__(repository.folder, repository.state, **settings)

    def begin(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        descriptor = self._supervisor.listener.fileno()
        return subprocess.Popen(
            [sys.executable, "-c", _HANDS_OVER, str(descriptor), *command],
            env={**environment, **self._supervisor.environment},
            pass_fds=(descriptor,),
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = Supervisor(tmp_path)
    yield one
    one.close()


class Callers:
    """Clients that each ask on a connection of their own, one after the other."""

    def __init__(self, port: int) -> None:
        self.answers: list[str] = []
        self._port, self._over = port, False

    @contextmanager
    def asking(self, count: int) -> Iterator["asyncio.Future[list[None]]"]:
        work = asyncio.gather(*(self._ask_on() for _ in range(count)))
        try:
            yield work
        finally:
            self._over = True

    async def _ask_on(self) -> None:
        while not self._over:
            self.answers.append(await self._ask())

    async def _ask(self) -> str:
        """The first line of the answer, or what came in its place."""
        body = orjson.dumps({"inputs": {"x": [1.0], "fault": ["nap:0.005"]}})
        head = f"POST /predict HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + body)
            line = (await asyncio.wait_for(reader.readline(), within(60.0))).decode().strip()
            writer.close()
        except OSError as error:
            return type(error).__name__
        return line


async def _more(callers: Callers, count: int) -> None:
    wanted = len(callers.answers) + count
    assert await asyncio.to_thread(eventually, lambda: len(callers.answers) >= wanted, within(30.0))


async def test_through_a_restart_under_load_every_caller_is_answered(
    supervisor: Supervisor, repository: Repository
) -> None:
    """Those who come while no server runs, and while the next one makes its release ready, wait for it."""
    callers = Callers(supervisor.port)
    with Activated(supervisor, repository) as first, callers.asking(8) as asked:
        await first.seen("release live")
        await _more(callers, 100)
        first.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.process.wait, 60) == 0
        with Activated(supervisor, repository) as second:
            await second.seen("release live")
            await _more(callers, 100)
            callers._over = True
            await asked
    assert set(callers.answers) == {"HTTP/1.1 200 OK"}


def test_systemd_hears_when_a_server_is_ready_reloads_lives_and_stops(
    supervisor: Supervisor, repository: Repository
) -> None:
    with Activated(supervisor, repository, rollout__hold_seconds=0) as server:
        assert eventually(lambda: supervisor.heard("READY=1") == 1, within(60.0))
        assert not supervisor.heard("RELOADING=1")
        digest = server.model()["digest"][7:19]
        assert supervisor.heard(f"STATUS=live: oracle {digest}") == 1
        assert eventually(lambda: supervisor.heard("WATCHDOG=1") >= 3, within(10.0))
        repository.checkout(0)
        server.wait("release live", 2)
        assert eventually(lambda: supervisor.heard("READY=1") == 2, within(10.0))
        assert supervisor.heard("RELOADING=1") == 1
        assert server.stop() == 0
        assert eventually(lambda: supervisor.heard("STOPPING=1") >= 1, within(10.0))


def test_where_the_first_release_fails_callers_are_told_so_and_systemd_why(
    supervisor: Supervisor, cold: Repository
) -> None:
    cold.remote_object_of("factor.txt").unlink()
    with Activated(supervisor, cold) as server:
        server.wait("rollout failed")
        assert server.predict({"inputs": {"x": [1.0], "fault": [""]}}).status_code == 503
        assert eventually(lambda: supervisor.heard("READY=1") == 1, within(10.0))
        assert any(one.startswith("STATUS=nothing is live yet; pull_failed: ") for one in supervisor.words)
