"""Releases and rollbacks on the real command: what git says goes live, and nothing is dropped meanwhile."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
import psutil

from tests.chaos.load import Load
from tests.e2e.conftest import Repository
from tests.e2e.server import SERVE, Server
from tests.forms import TIMED, within


async def test_rollback_and_back_under_load_lose_nothing(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        new = server.model()["digest"]
        async with Load(server.url) as load:
            await load.until(answered=25)
            repository.checkout(0)
            await server.seen("release live", count=2)
            await load.until(answered=25)
            old = server.model()["digest"]
            repository.checkout(1)
            await server.seen("release live", count=3)
            await load.until(answered=25)
        assert (load.lost, load.wrong) == ([], [])
        assert new != old
        switches = [now for before, now in zip(["", *load.digests], load.digests, strict=False) if now != before]
        assert switches[0] == new
        assert switches[-1] == new
        assert old in switches


async def test_rollback_across_python_and_package_versions_loses_nothing(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        assert server.model()["workers"][0]["python"].startswith("3.11")
        async with Load(server.url) as load:
            await load.until(answered=25)
            repository.checkout(2)
            await server.seen("release live", count=2)
            await load.until(answered=25)
            worker = server.model()["workers"][0]
            assert (worker["python"][:5], worker["numpy"], worker["mlflow"]) == ("3.10.", "1.26.4", "2.22.1")
            repository.checkout(1)
            await server.seen("release live", count=3)
            await load.until(answered=25)
        assert (load.lost, load.wrong) == ([], [])
        assert len(set(load.digests)) == 2


async def test_answers_name_the_commit_that_pinned_them(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        answer = server.predict({"inputs": {"x": [1.0]}})
        assert answer.json() == {"predictions": [{"y": 3.0, "factor": 3.0}]}
        assert answer.headers["x-model-revision"] == repository.revisions[1]
        assert answer.headers["x-model-name"] == "oracle"
        assert answer.headers["x-model-digest"] == server.model()["digest"]


def test_a_rollback_needs_no_remote_once_it_was_live(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        repository.checkout(0)
        server.wait("release live", count=2)
        shutil.rmtree(repository.folder / "remote")
        shutil.rmtree(repository.folder / ".dvc" / "cache")
        repository.checkout(1)
        server.wait("release live", count=3)
        assert server.predict({"inputs": {"x": [1.0]}}).json() == {"predictions": [{"y": 3.0, "factor": 3.0}]}


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def test_a_flipped_byte_in_the_remote_is_never_served_and_its_file_is_named(cold: Repository) -> None:
    flip_a_byte(cold.remote_object_of("oracle/model/code/oracle.py"))
    with Server(cold.folder, cold.state) as server:
        failed = server.wait("rollout failed")
        assert "models/oracle/model/code/oracle.py" in failed["reason"]
        assert server.get("/health/live").status_code == 200
        assert server.get("/health/ready").status_code == 503
        assert server.predict({"inputs": {"x": [1.0]}}).status_code == 503
        assert server.get("/models").json()["failure"]["code"] == failed["code"]


def test_a_corrupt_object_in_the_cache_is_removed_and_pulled_again(cold: Repository) -> None:
    subprocess.run([SERVE.with_name("dvc"), "pull", "--quiet"], cwd=cold.folder, check=True)
    remote = cold.remote_object_of("oracle/model/code/oracle.py")
    flip_a_byte(cold.folder / ".dvc" / "cache" / remote.relative_to(cold.folder / "remote"))
    with Server(cold.folder, cold.state).ready() as server:
        assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200


def test_the_remote_healed_the_release_goes_live_by_itself(cold: Repository) -> None:
    corrupt = cold.remote_object_of("oracle/model/code/oracle.py")
    whole = corrupt.read_bytes()
    flip_a_byte(corrupt)
    with Server(cold.folder, cold.state, rollout__first_retry_seconds=0.2) as server:
        server.wait("rollout failed")
        corrupt.chmod(0o644)
        corrupt.write_bytes(whole)
        server.ready()


def test_half_written_and_missing_pins_are_told_and_change_nothing(repository: Repository) -> None:
    pin = repository.folder / "models.dvc"
    whole = pin.read_bytes()
    with Server(repository.folder, repository.state).ready() as server:
        before = server.model()
        pin.write_bytes(whole[: len(whole) // 2])
        server.wait("rollout failed", code="pin_unreadable")
        pin.unlink()
        told = server.wait("rollout failed", count=2, code="pin_unreadable")["reason"]
        assert told == server.get("/models").json()["failure"]["message"] == "there is no models.dvc in the repository"
        assert server.get("/rollouts").json()["attempts"][-1]["reason"] == told
        assert server.get("/health/ready").status_code == 200
        pin.write_bytes(whole)
        repository.checkout(0)
        server.wait("release live", count=2)
        assert before["digest"] != server.model()["digest"]
        assert server.get("/models").json()["failure"] is None


async def test_a_killed_worker_is_replaced_and_no_answer_is_wrong(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        first = server.model()["workers"][0]["pid"]
        async with Load(server.url) as load:
            await load.until(answered=25)
            os.kill(first, signal.SIGKILL)
            await server.seen("worker replaced", seconds=30)
            await load.until(answered=50)
        assert (load.lost, load.wrong) == ([], [])
        assert server.model()["workers"][0]["pid"] != first


async def test_sigterm_answers_what_was_taken_and_leaves_nothing(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        worker = psutil.Process(server.model()["workers"][0]["pid"])
        async with httpx.AsyncClient(timeout=30.0) as client:
            slow = client.post(server.url + "/predict", json={"inputs": {"x": [1.0], "fault": ["nap"]}})
            asked = asyncio.create_task(slow)
            while not await _queued(client, server.url):
                pass
            server.process.send_signal(signal.SIGTERM)
            assert (await asked).json() == {"predictions": [{"y": 3.0, "factor": 3.0}]}
        assert server.process.wait(30) == 0
        assert not worker.is_running()
        assert list((server.state / "scratch").glob(f"{server.process.pid}-*")) == []


async def _queued(client: httpx.AsyncClient, url: str) -> bool:
    """Whether a worker is busy."""
    workers = (await client.get(url + "/models")).json()["models"]["oracle"]["workers"]
    return any(worker["state"] == "busy" for worker in workers)


def test_sigkill_of_the_server_takes_its_workers_along(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        worker = psutil.Process(server.model()["workers"][0]["pid"])
        server.process.kill()
        worker.wait(5)


def test_prepared_a_server_starts_with_no_remote_at_all(cold: Repository) -> None:
    environment = {**os.environ, "PINION_ARTIFACT__STATE": str(cold.state)}
    subprocess.run([SERVE, "prepare", "--repo", str(cold.folder)], env=environment, check=True, capture_output=True)
    shutil.rmtree(cold.folder / "remote")
    shutil.rmtree(cold.folder / ".dvc" / "cache")
    with Server(cold.folder, cold.state).ready() as server:
        assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200


@TIMED
def test_the_change_is_live_soon_after_the_checkout(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        repository.checkout(0)
        began = time.monotonic()
        server.wait("verified", count=2)
        assert time.monotonic() - began < within(2.0)
