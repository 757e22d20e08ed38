"""Each alert fires for real: a real Prometheus, with the deployed rules made quicker, watches a real server that fails.

What is quicker stands in `prometheus.py`. An alert that nothing provokes here fails the last test.
"""

import asyncio
import contextlib
import itertools
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.chaos.conftest import MIB, copied
from tests.chaos.limits import limited, rss
from tests.chaos.load import Client, unlike_any_other
from tests.chaos.test_resources import full_device, unheard
from tests.deploy.conftest import forget, unreachable
from tests.deploy.prometheus import CONFIG, Prometheus, alerts, prometheus, uncommented
from tests.e2e.conftest import Repository, promote
from tests.e2e.guarded import new_key
from tests.e2e.server import Server
from tests.forms import FULL, needs
from tests.models import oracle

pytestmark = [FULL, needs("prometheus"), pytest.mark.timeout(300)]

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus for all these tests, which watches whatever servers they start."""
    with prometheus(tmp_path_factory.mktemp("prometheus")) as one:
        one.fires("PinionAbsent")  # as long as there is no server at all
        yield one


@contextlib.contextmanager
def serving(watched: Prometheus, repository: Repository, **settings: Any) -> Iterator[tuple[Server, str]]:
    """A server that is watched, ready; and what Prometheus calls it."""
    with Server(repository.folder, repository.state, **settings).ready() as server:
        name = f"server-{next(NUMBERS)}"
        watched.watch(**{name: server.url})
        watched.becomes(f'up{{instance="{name}"}} == 1')
        yield server, name


@contextlib.asynccontextmanager
async def storm(server: Server, fault: str, rate: float) -> Any:
    """Requests that ask for a fault, so many a second, until the block is left; what they get is not looked at."""

    async def go_on(client: Client, group: asyncio.TaskGroup) -> None:
        while True:
            group.create_task(client.ask([unlike_any_other()], fault))
            await asyncio.sleep(1 / rate)

    async with Client(server.url) as client, asyncio.TaskGroup() as group:
        going = group.create_task(go_on(client, group))
        yield
        going.cancel()


async def fires(watched: Prometheus, alertname: str, **labels: str) -> dict[str, Any]:
    return await asyncio.to_thread(watched.fires, alertname, **labels)


async def test_errors_of_the_model_burn_the_allowance_quickly_and_for_long(
    watched: Prometheus, repository: Repository
) -> None:
    with serving(watched, repository) as (server, _):
        async with storm(server, "raise", 20), storm(server, "nap:0", 20):
            found = await fires(watched, "PinionErrorsHigh", model="oracle")
            assert re.match(r"[\d.]+% of requests to model oracle fail", found["annotations"]["summary"])
            await fires(watched, "PinionErrorsLasting", model="oracle")


async def test_slow_answers_are_told_of_and_then_those_that_come_too_late(
    watched: Prometheus, repository: Repository
) -> None:
    settings = {"batch__max_rows": 1, "batch__max_waiting_rows": 10, "http__request_timeout_seconds": 20}
    with serving(watched, repository, **settings) as (server, name):
        async with storm(server, "nap:1.5", 4):
            await fires(watched, "PinionLatencyHigh", model="oracle")
            await fires(watched, "PinionQueueFilling", model="oracle", instance=name)
            await fires(watched, "PinionOverloaded", model="oracle")


async def test_workers_that_die_are_told_of_and_so_is_a_server_without_any(
    watched: Prometheus, repository: Repository
) -> None:
    with serving(watched, repository, worker__count=4) as (server, name):
        async with storm(server, "exit", 20):
            await fires(watched, "PinionWorkersDying", model="oracle", instance=name)
            await fires(watched, "PinionWorkersMissing", model="oracle", instance=name)
            await fires(watched, "PinionNotReady", instance=name)


async def test_workers_that_grow_are_told_of(watched: Prometheus, repository: Repository) -> None:
    with serving(watched, repository) as (server, _):
        used = max(rss(pid) for pid in server.pids())
    bound = used + 64 * MIB
    with serving(watched, repository, worker__max_memory_bytes=bound, worker__heartbeat_seconds=0.5) as (server, name):
        async with storm(server, "leak:40", 4):
            await fires(watched, "PinionWorkersLeaking", model="oracle", instance=name)


def test_a_release_that_fails_is_told_of_with_its_code(watched: Prometheus, repository: Repository) -> None:
    settings = {"rollout__first_retry_seconds": 0.2, "rollout__longest_retry_seconds": 0.2}
    forget(repository)
    with serving(watched, repository, **settings) as (_, name), unreachable(repository):
        repository.checkout(0)
        found = watched.fires("PinionReleaseFailed", instance=name)
        assert found["labels"]["code"] == "pull_failed"
        watched.fires("PinionReleasePending", instance=name)
        watched.fires("PinionPullFailing", instance=name)


async def test_a_release_that_falls_back_is_told_of(
    watched: Prometheus, repository: Repository, tmp_path: Path
) -> None:
    with serving(watched, repository, rollout__hold_seconds=60, rollout__fall_back_after=2) as (server, name):
        promote(repository.folder, repository.state, oracle(tmp_path / "bad", 5, dies_from=1000.0))
        await server.seen("release live", count=2)
        async with Client(server.url) as client:
            while not server.count("rollout failed", code="fell_back"):
                await client.ask([1001.0 - unlike_any_other()])
        await fires(watched, "PinionReleaseFellBack", instance=name)


def test_servers_that_answer_with_different_revisions_are_told_of(
    watched: Prometheus, repository: Repository, tmp_path: Path
) -> None:
    other = copied(repository, tmp_path / "other")
    other.checkout(0)
    with serving(watched, repository), serving(watched, other):
        assert watched.fires("PinionRevisionsDiffer")["annotations"]["summary"].startswith("Servers answer with 2")


async def test_memory_that_runs_out_is_told_of(watched: Prometheus, repository: Repository) -> None:
    with serving(watched, repository) as (server, name):
        used = rss(server.process.pid) + sum(map(rss, server.pids()))
        with limited([server.process.pid, *server.pids()], int(used * 1.05)):
            await fires(watched, "PinionMemoryHigh", instance=name)


@pytest.fixture
def small_disk(repository: Repository, tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs a small file system, and may not mount one here")
    (disk / "state").mkdir()
    (disk / "state" / "environments").symlink_to(repository.state / "environments")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_disk_that_fills_is_told_of(watched: Prometheus, repository: Repository, small_disk: Path) -> None:
    here = Repository(repository.folder, repository.revisions, small_disk / "state")
    with serving(watched, here) as (_, name):
        (small_disk / "filler").write_bytes(bytes(int(shutil.disk_usage(small_disk).free * 0.95)))
        watched.fires("PinionDiskFilling", instance=name)


def test_connections_that_fill_all_places_are_told_of_and_so_are_descriptors(
    watched: Prometheus, repository: Repository
) -> None:
    settings: dict[str, Any] = {"http__body_timeout_seconds": 120, "http__header_timeout_seconds": 120}
    with contextlib.ExitStack() as opened:
        server, name = opened.enter_context(serving(watched, repository, before=("prlimit", "--nofile=64"), **settings))
        port = int(server.url.rsplit(":", 1)[1])
        for _ in range(15):  # of sixteen places; the last is Prometheus'
            one = opened.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", port))))
            one.sendall(b"POST /predict HTTP/1.1\r\nhost: here\r\ncontent-length: 1000\r\n\r\n")
        watched.fires("PinionConnectionsFull", instance=name)
        watched.fires("PinionFilesRunningOut", instance=name)


def test_an_event_loop_that_comes_late_is_told_of(watched: Prometheus, repository: Repository) -> None:
    with serving(watched, repository) as (server, name):
        pid = server.process.pid
        halting = f"while kill -STOP {pid}; do sleep 0.4; kill -CONT {pid}; sleep 0.3; done"
        stopping = subprocess.Popen(["sh", "-c", halting])
        try:
            watched.fires("PinionLoopLagging", instance=name)
        finally:
            stopping.kill()
            stopping.wait()
            server.process.send_signal(signal.SIGCONT)


def test_a_server_whose_log_nobody_takes_is_told_of(watched: Prometheus, repository: Repository) -> None:
    with full_device() as nowhere, unheard(repository, nowhere) as server:
        watched.watch(unheard=server.url)
        watched.becomes('up{instance="unheard"} == 1')
        repository.checkout(0)  # so that there is something to say
        watched.fires("PinionLogLinesLost", instance="unheard")


def test_a_server_that_is_gone_is_told_of(watched: Prometheus, repository: Repository) -> None:
    with serving(watched, repository) as (_, name):
        pass
    watched.fires("PinionDown", instance=name)


def test_keys_that_break_and_certificates_that_end_are_told_of_by_a_prometheus_with_a_key_of_its_own(
    repository: Repository, tmp_path: Path
) -> None:
    """By the variants for keys and TLS of the deployed configuration."""
    keys, (ours, theirs) = tmp_path / "keys.txt", (Authority(), Authority("clients"))
    certificate, key = ours.issue("server").write(tmp_path, "server")
    theirs.issue("prometheus").write(tmp_path, "prometheus")
    for name, data in {
        "token": new_key(keys, "prometheus", "metrics"),
        "ours.crt": ours.pem,
        "ca.crt": theirs.pem,
    }.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    config = uncommented(CONFIG.read_text())
    files = ("pinion.token", "token"), ("pinion-ca.crt", "ours.crt"), ("prometheus", "prometheus")
    for there, here in files:  # the last are two, a certificate and its key
        config = config.replace(f"/etc/prometheus/{there}", str(tmp_path / here))
    settings = {
        "auth__keys": keys,
        "http__tls_certificate": certificate,
        "http__tls_key": key,
        "http__tls_client_ca": tmp_path / "ca.crt",
    }
    with prometheus(tmp_path, config) as watched, serving(watched, repository, **settings) as (server, name):
        watched.fires("PinionCertificateExpiring", instance=name, what="server")
        watched.fires("PinionCertificateExpiring", instance=name, what="client_ca")
        (end,) = watched.query('pinion_certificate_expiry_timestamp_seconds{what="server"}')
        assert 0 < float(end["value"][1]) - datetime.now(UTC).timestamp() < 3600
        assert not watched.firing(alertname="PinionAccessUnreadable")
        keys.write_text(keys.read_text() + "nonsense\n")
        watched.fires("PinionAccessUnreadable", instance=name, what="API keys")
        assert server.process.poll() is None


def test_every_alert_is_provoked_here() -> None:
    provoked = set(re.findall(r'"(Pinion\w+)"', Path(__file__).read_text()))
    assert provoked == set(alerts())
