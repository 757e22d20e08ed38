"""Rows F-1 to F-3 and F-8: told to stop, a server finishes what it took, in its time, and leaves nothing."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serve.artifact import dvc, pin
from serve.artifact.fetch import Store
from tests.chaos.load import Client, Load
from tests.chaos.residue import eventually
from tests.e2e.conftest import Repository
from tests.e2e.server import SERVE, Server
from tests.e2e.test_bad_releases import pin_unrehearsed
from tests.forms import FULL, TIMED, within

DRAIN_SECONDS = 1.5
GRACE_SECONDS = 2.0  # that may pass beyond
BODY = {"inputs": {"x": [1.0], "fault": ["nap:0"]}}


def started(repository: Repository, **settings: Any) -> Server:
    return Server(repository.folder, repository.state, rollout__drain_timeout_seconds=DRAIN_SECONDS, **settings)


@contextlib.contextmanager
def nothing_left(server: Server) -> Iterator[list[psutil.Process]]:
    """The processes that the server has as the block begins, of which none lives soon after it."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    yield family
    _, alive = psutil.wait_procs(family, within(2.0))
    assert alive == []


@TIMED
def test_f1_a_server_told_to_stop_says_so_at_once_and_goes_on_for_its_delay(repository: Repository) -> None:
    with started(repository, http__drain_delay_seconds=2.0).ready() as server, nothing_left(server):
        server.process.send_signal(signal.SIGTERM)
        told_at = time.monotonic()
        server.wait("stopping")
        ready = server.get("/health/ready")
        assert (ready.status_code, ready.json()["ready"], ready.json()["stopping"]) == (503, False, True)
        for path in ("/ping", "/health", "/v2/health/ready", "/v2/models/oracle/ready"):
            assert server.get(path).status_code == 503, path
        assert server.get("/health/live").status_code == 200
        while time.monotonic() < told_at + 1.5:
            answer = server.predict(BODY)
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert server.process.wait(10) == 0
        assert 2.0 <= time.monotonic() - told_at < 2.0 + within(GRACE_SECONDS)
        assert {httpx.ConnectError} == {type(error) for error in [refusal(server)]}


def refusal(server: Server) -> Exception | None:
    try:
        server.predict(BODY)
    except httpx.HTTPError as error:
        return error
    return None


async def test_f1_who_heeds_readiness_loses_nothing(repository: Repository) -> None:
    with started(repository, worker__count=2, http__drain_delay_seconds=1.0).ready() as server:
        async with Load(server.url, rate=100, usual="nap:0.005") as load:
            await load.until(answered=100)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(eventually, lambda: server.get("/health/ready").status_code == 503)
            await load.until(answered=10)  # which it sends before it acts on that
        load.require_nothing_lost()
        assert await asyncio.to_thread(server.process.wait, 10) == 0


async def test_f1_without_a_delay_what_came_before_the_end_is_answered(repository: Repository) -> None:
    with started(repository, worker__count=2).ready() as server:
        async with Client(server.url) as client:
            asked = [asyncio.create_task(client.ask([float(x)], "nap:0.3")) for x in range(20)]
            assert await asyncio.to_thread(eventually, lambda: server.busy() > 0)
            server.process.send_signal(signal.SIGTERM)
            replies = await asyncio.gather(*asked)
        assert [one.cause or one.flaw([float(x)]) for x, one in enumerate(replies)] == [""] * 20
        assert {one.headers["Connection"] for one in replies} == {"close"}
        assert await asyncio.to_thread(server.process.wait, 10) == 0


def head(length: int) -> bytes:
    lines = ("POST /predict HTTP/1.1", "host: here", "content-type: application/json", f"content-length: {length}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


@contextlib.contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    url = httpx.URL(server.url)
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect((url.host, url.port))
        yield one


def idler(one: socket.socket) -> None:
    """A client that keeps its connection, and asks nothing more."""
    one.sendall(b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n")
    assert one.recv(4096).startswith(b"HTTP/1.1 200")


def hesitant(one: socket.socket) -> None:
    """A client that does not send all it said it would."""
    one.sendall(head(1000) + b'{"inputs":')


def unreading(one: socket.socket) -> None:
    """A client that asks for more than the connection holds, and reads none of it."""
    body = b'{"inputs":{"x":[1.0],"fault":["huge:30000000"]}}'
    one.sendall(head(len(body)) + body)


def hung(one: socket.socket, way: bytes = b"HTTP/1.1\r\n") -> None:
    """A client whose request hangs in the model."""
    body = b'{"inputs":{"x":[1.0],"fault":["hang"]}}'
    one.sendall(head(len(body)).replace(b"HTTP/1.1\r\n", way) + body)


@TIMED
@pytest.mark.parametrize("client", [idler, hesitant, unreading, hung], ids=lambda one: one.__name__)
def test_f2_nobody_holds_a_server_up_beyond_its_time(repository: Repository, client: Any) -> None:
    with started(repository).ready() as server, nothing_left(server), connected(server) as one:
        client(one)
        if client is hung:
            assert eventually(lambda: server.busy() > 0)
        if client is unreading:
            assert eventually(lambda: server.get("/metrics").text.count('outcome="ok"') == 1)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        took = time.monotonic() - began
        assert took < (within(1.5) if client is idler else DRAIN_SECONDS + within(GRACE_SECONDS)), took


@pytest.mark.parametrize("way", [b"HTTP/1.1\r\n", b"HTTP/1.0\r\n", b"HTTP/1.1\r\nexpect: 100-continue\r\n"])
def test_f2_whose_request_hangs_is_told_when_the_server_s_time_is_over(repository: Repository, way: bytes) -> None:
    with started(repository).ready() as server, connected(server) as one:
        hung(one, way)
        assert eventually(lambda: server.busy() > 0)
        server.process.send_signal(signal.SIGTERM)
        one.settimeout(10)
        with one.makefile("rb") as answer:
            told = answer.read()
        assert told.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        assert b"connection: close" in told
        assert b"was stopped: try again" in told
        assert server.process.wait(10) == 0
        assert "Traceback" not in str(server.events)


@TIMED
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_f3_a_second_signal_ends_it_at_once(
    repository: Repository, first: signal.Signals, second: signal.Signals
) -> None:
    with Server(repository.folder, repository.state).ready() as server, nothing_left(server), connected(server) as one:
        hung(one)
        assert eventually(lambda: server.busy() > 0)
        server.process.send_signal(first)
        server.wait("stopping")
        began = time.monotonic()
        server.process.send_signal(second)
        assert server.process.wait(10) == 128 + second
        assert time.monotonic() - began < within(1.0)


def test_f3_hanging_up_changes_nothing(repository: Repository) -> None:
    with started(repository).ready() as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.predict(BODY).status_code == 200
        assert server.stop() == 0


@pytest.mark.parametrize("times", [3, pytest.param(50, marks=[FULL, pytest.mark.timeout(1800)])])
def test_f8_told_to_stop_while_it_starts_it_does_and_the_next_start_is_fine(cold: Repository, times: int) -> None:
    chosen = random.Random(times)
    for at in range(times):
        with started(cold) as server:
            server.wait("listening")
            time.sleep(chosen.uniform(0.0, 3.0) if at else 0.0)  # somewhere in what follows, whatever it is
            with nothing_left(server):
                began = time.monotonic()
                assert server.stop() == 0
                assert time.monotonic() - began < DRAIN_SECONDS + within(GRACE_SECONDS)
        assert scratch(cold.state) == []
    with started(cold).ready() as server:
        assert server.predict(BODY).status_code == 200


def pulls(front: int) -> bool:
    """Whether the process has a `dvc pull` running."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return any({dvc.PROGRAM, "pull"} <= {*one.cmdline()} for one in psutil.Process(front).children())
    return False


def test_f8_told_to_stop_in_the_middle_of_a_pull_it_leaves_nothing(cold: Repository) -> None:
    with started(cold) as server:
        assert eventually(lambda: pulls(server.process.pid))
        with nothing_left(server) as family:
            assert family
            assert server.stop() == 0
    assert scratch(cold.state) == []


# As a shell starts a job of a script, with `&`.
IN_THE_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")


@TIMED
@pytest.mark.parametrize(
    ("number", "way"), [(signal.SIGTERM, ()), (signal.SIGINT, ()), (signal.SIGTERM, IN_THE_BACKGROUND)]
)
def test_f8_a_preparation_that_is_told_to_stop_leaves_nothing(
    cold: Repository, number: signal.Signals, way: tuple[str, ...]
) -> None:
    environment = {**os.environ, "PINION_ARTIFACT__STATE": str(cold.state)}
    command = [*way, SERVE, "prepare", "--repo", str(cold.folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as prepare:
        assert eventually(lambda: pulls(prepare.pid))
        family = psutil.Process(prepare.pid).children(recursive=True)
        prepare.send_signal(number)
        _, told = prepare.communicate(timeout=10)
        assert psutil.wait_procs(family, within(2.0))[1] == []
    assert prepare.returncode == 130
    assert told.splitlines()[-1] == "serve: interrupted; what was finished is kept"
    assert scratch(cold.state) == []


def test_f8_told_to_stop_in_the_middle_of_a_build_it_leaves_nothing(cold: Repository) -> None:
    cold.checkout(2)
    (cold.state / "environments").unlink()  # those that others have built
    with started(cold) as server:
        server.wait("building environment")
        with nothing_left(server):
            assert server.stop() == 0
    assert scratch(cold.state) == []
    with started(cold).ready() as server:
        assert server.predict(BODY).status_code == 200


async def test_f8_told_to_stop_in_the_middle_of_a_load_it_leaves_nothing(
    repository: Repository, tmp_path: Path
) -> None:
    staged = tmp_path / "staged"
    pinned = pin.read((repository.folder / "models.dvc").read_bytes()).models[0]
    shutil.copytree(Store(repository.folder, repository.state).snapshot(pinned), staged)
    for path in (staged, *staged.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    (staged / "model" / "data" / "on_load.txt").write_text("hang")
    with started(repository).ready() as server:
        await pin_unrehearsed(repository, staged)
        server.wait("verified", count=2)
        assert eventually(lambda: len(psutil.Process(server.process.pid).children()) == 2)
        with nothing_left(server) as family:
            assert len(family) == 2
            assert server.predict(BODY).status_code == 200
            assert server.stop() == 0


def scratch(state: Path) -> list[Path]:
    return list((state / "scratch").glob("*"))
