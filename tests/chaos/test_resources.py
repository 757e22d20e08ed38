"""Rows C-20 and F-10 to F-14: what a server needs is not to be had, or runs out while it serves."""

import asyncio
import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.chaos.conftest import SETTINGS, whole
from tests.chaos.limits import childless
from tests.chaos.load import Client, Load
from tests.chaos.residue import eventually, no_residue
from tests.e2e.conftest import Repository
from tests.e2e.server import SERVE, Server
from tests.e2e.test_command import refused, run
from tests.forms import FULL, forms, within

# Root reads and writes everything; without these two it is told as others are.
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
SPARE_DESCRIPTORS = 30


@pytest.mark.parametrize("place", ["a file", "below a file", "not to be written or read", "not to be made"])
def test_f10_a_state_folder_that_can_not_be_used_is_said(repository: Repository, tmp_path: Path, place: str) -> None:
    parent = tmp_path / "place"
    if "file" in place:
        parent.write_text("")
    else:
        parent.mkdir(mode=0o000)
    state = parent / "state" if place in ("below a file", "not to be made") else parent
    try:
        done = unprivileged("--repo", str(repository.folder), "--port", "0", PINION_ARTIFACT__STATE=str(state))
    finally:
        parent.chmod(0o700)
    refused(done, 1, f"can't use the state folder {state}: ")


@pytest.mark.parametrize("what", ["models.dvc", "."])
def test_f10_a_pin_that_can_not_be_read_is_said(repository: Repository, what: str) -> None:
    (repository.folder / what).chmod(0o000)
    try:
        done = unprivileged("--repo", str(repository.folder), "--port", "0")
    finally:
        (repository.folder / what).chmod(0o700)
    refused(done, 2, "models.dvc can't be read: Permission denied")


def unprivileged(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    began = time.monotonic()
    done = run(*arguments, before=WITHOUT_PRIVILEGES, **variables)
    assert time.monotonic() - began < within(5.0)
    return done


@dataclass(frozen=True)
class Unheard:
    """A server whose log comes to nobody."""

    process: subprocess.Popen[bytes]
    url: str

    def answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url + "/health/ready").status_code == 200
        return False

    def lost_lines(self) -> float:
        metrics = httpx.get(self.url + "/metrics").text
        return float(
            next(one.split()[1] for one in metrics.splitlines() if one.startswith("pinion_log_lost_lines_total"))
        )


@contextlib.contextmanager
def unheard(repository: Repository, where: int) -> Iterator[Unheard]:
    """A server of two workers, ready, that writes all it says to the descriptor `where`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [SERVE, "--repo", str(repository.folder), "--port", str(port)]
    variables = {f"PINION_{name}".upper(): str(value) for name, value in SETTINGS.items()}
    variables["PINION_ARTIFACT__STATE"] = str(repository.state)
    with subprocess.Popen(command, stdout=where, stderr=where, env={**os.environ, **variables}) as process:
        one = Unheard(process, f"http://127.0.0.1:{port}")
        try:
            assert eventually(one.answers, 60.0)
            yield one
        finally:
            process.kill()


@contextlib.contextmanager
def full_device() -> Iterator[int]:
    with open("/dev/full", "wb") as device:
        yield device.fileno()


@contextlib.contextmanager
def reader_that_leaves() -> Iterator[int]:
    """As `serve 2>&1 | head -1`."""
    with subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head:
        assert head.stdin is not None
        yield head.stdin.fileno()
        assert head.stdout is not None
        assert json.loads(head.stdout.read())["event"] == "listening"
        assert head.poll() is not None  # so the server wrote to nobody


@contextlib.contextmanager
def reader_that_sleeps() -> Iterator[int]:
    """A pipe of one page that nobody empties."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    try:
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("log", [full_device, reader_that_leaves, reader_that_sleeps])
@forms(100, 3000)
async def test_f11_where_nobody_takes_its_log_a_server_loses_nothing(
    repository: Repository, log: Callable[[], contextlib.AbstractContextManager[int]], times: int
) -> None:
    with log() as descriptor, unheard(repository, descriptor) as server:
        # Of each the log tells. One that ends a worker ends two: more of them, and no worker would be left to anyone.
        faults = {"print": 0.05, "raise": 0.05, "exit": min(0.01, 4 / times)}
        async with Load(server.url, count=times, faults=faults, seed=3) as load:
            await load.over()
        load.require_nothing_lost()
        assert {fault for fault, _ in load.faulty} == set(faults)
        assert server.lost_lines() > 0
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 30) == 0


@forms(1, 10)
async def test_f14_without_descriptors_a_server_goes_on_and_recovers(server: Server, times: int) -> None:
    front = psutil.Process(server.process.pid)
    with no_residue(server):
        for _ in range(times):
            async with Client(server.url) as client:
                assert (await client.ask([1.0])).cause == ""
                deaths, victim = server.count("worker died"), min(server.pids())
                with exhausted(server):
                    os.kill(victim, signal.SIGKILL)
                    await server.seen("worker died", count=deaths + 1)
                    with idle_connections(server, 2 * SPARE_DESCRIPTORS):  # in the place of what the worker had
                        assert await asyncio.to_thread(front.cpu_percent, 2.0) < 30.0
                        assert (await client.ask([2.0])).cause == ""  # who is in, is served
                assert await asyncio.to_thread(eventually, lambda: answers(server), 2.0)
            assert whole(server)
            async with Load(server.url, count=20) as load:
                await load.over()
            load.require_nothing_lost()


LARGE = {"inputs": {"x": [1.0] * 100, "fault": ["x" * 5000] * 100}}  # to be read by a process of its own


@forms(1, 10)
async def test_f14_where_nothing_can_be_started_a_server_goes_on_and_recovers(server: Server, times: int) -> None:
    front = psutil.Process(server.process.pid)
    for number in range(times):
        async with Client(server.url) as client:
            deaths, failed = server.count("worker died"), server.count("worker can't be replaced")
            with childless([front.pid]):
                os.kill(min(server.pids()), signal.SIGKILL)
                await server.seen("worker died", count=deaths + 1)
                await server.seen("worker can't be replaced", count=failed + 1)
                assert (await client.ask([2.0])).cause == ""
                large = await asyncio.to_thread(server.predict, LARGE)
                if number == 0:  # later the process that reads it is there from before
                    assert (large.status_code, large.json()["code"]) == (503, "worker_died")
                assert server.get("/health/ready").status_code == 200
            assert await asyncio.to_thread(whole, server)
            assert (await asyncio.to_thread(server.predict, LARGE)).status_code == 200
        async with Load(server.url, count=20) as load:
            await load.over()
        load.require_nothing_lost()


@contextlib.contextmanager
def exhausted(server: Server) -> Iterator[None]:
    """The server has all the descriptors that it may have."""
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    most = psutil.Process(pid).num_fds() + SPARE_DESCRIPTORS
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        with idle_connections(server, 2 * SPARE_DESCRIPTORS):
            assert eventually(lambda: psutil.Process(pid).num_fds() >= most)
            yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def idle_connections(server: Server, count: int) -> Iterator[None]:
    address = httpx.URL(server.url)
    with contextlib.ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(socket.create_connection((address.host, address.port or 80), timeout=5.0))
        yield


def answers(server: Server) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return server.predict({"inputs": {"x": [1.0]}}).status_code == 200
    return False


@pytest.mark.parametrize("seconds", [5.0, pytest.param(60.0, marks=FULL)])
async def test_c20_one_slow_request_in_a_hundred_holds_up_few_others(abused: Server, seconds: float) -> None:
    """At 20 a second: at 100, the slow ones alone would take one worker whole, and the other two in three seconds."""
    steady = Load(abused.url, rate=20, usual="nap:0.005")
    mixed = Load(abused.url, rate=20, usual="nap:0.005", faults={"nap:1.0": 0.01}, seed=4)
    for load in (steady, mixed):
        async with load:
            await load.ended(seconds)
        load.require_nothing_lost()
    assert mixed.faulty[("nap:1.0", "")] == sum(mixed.faulty.values()) > 0
    told = f"p95 {steady.percentile(0.95) * 1000:.1f} ms, with slow ones {mixed.percentile(0.95) * 1000:.1f} ms"
    assert mixed.percentile(0.95) <= within(3 * steady.percentile(0.95)), told
