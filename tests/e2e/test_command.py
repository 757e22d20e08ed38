"""The command `serve` itself: what it says when it can't start, its sub-commands, its pages."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Repository
from tests.e2e.server import SERVE, Server


def run(*arguments: str, before: Sequence[str] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    """`serve` with these arguments, started by the command `before`, where there is one."""
    command, environment = [*before, str(SERVE), *arguments], {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def refused(done: subprocess.CompletedProcess[str], code: int, told: str) -> None:
    """One line on stderr, and that exit code."""
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith("{")]) == 1
    assert "Traceback" not in done.stderr


def test_no_repository_is_said(tmp_path: Path) -> None:
    refused(run("--repo", str(tmp_path / "nowhere")), 2, "there is no folder")


def test_no_pin_is_said(tmp_path: Path) -> None:
    refused(run("--repo", str(tmp_path)), 2, "promote a model first, or name another --repo")


def test_who_is_below_a_pin_is_told_where_it_is(cold: Repository) -> None:
    (cold.folder / "below").mkdir()
    refused(run("--repo", str(cold.folder / "below")), 2, f"{cold.folder} has one, so go there, or name it as --repo")


def test_a_broken_pin_is_said(tmp_path: Path) -> None:
    (tmp_path / "models.dvc").write_text("outs: [")
    refused(run("--repo", str(tmp_path)), 2, "models.dvc is not YAML")


def test_a_port_in_use_is_said(repository: Repository) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("--repo", str(repository.folder), "--port", port)
        refused(done, 1, f"can't listen on 127.0.0.1:{port}: Address already in use")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PINION_HTTP__PORT", "eighty", "http.port"),
        ("PINION_WORKER__COUNT", "0", "worker.count"),
        ("PINION_WORKER__ENVIRONMENT", "mine", "worker.environment"),
        ("PINION_HTTP__PROT", "80", "http.prot"),
        ("PINION_PORT", "80", "PINION_PORT is no setting"),
        ("PINION_LOG_LEVEL", "loud", "log_level"),
    ],
)
def test_a_wrong_setting_is_named(repository: Repository, variable: str, value: str, told: str) -> None:
    refused(run("--repo", str(repository.folder), **{variable: value}), 2, told)


def test_prepare_says_what_can_not_be_pulled(cold: Repository) -> None:
    cold.remote_object_of("oracle/model/MLmodel").unlink()
    done = run("prepare", "--repo", str(cold.folder), PINION_ARTIFACT__STATE=str(cold.state))
    refused(done, 1, "the remote has no intact copy of models/oracle/model/MLmodel")


def test_an_unreachable_remote_is_said(cold: Repository) -> None:
    (cold.folder / "remote").rename(cold.folder / "gone")
    done = run("prepare", "--repo", str(cold.folder), PINION_ARTIFACT__STATE=str(cold.state))
    refused(done, 1, "is not there, or has nothing in it: is it mounted?")


def test_history_lists_every_promotion_newest_first(promoted: Repository) -> None:
    lines = run("history", "--repo", str(promoted.folder)).stdout.splitlines()
    revisions = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert revisions == [revision[:12] for revision in reversed(promoted.revisions)]


def test_the_schema_and_the_docs_come_from_the_server_itself(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        schema = server.get("/openapi.json").json()
        example = schema["paths"]["/models/oracle/predict"]["post"]["requestBody"]["content"]["application/json"]
        body = example["examples"]["oracle"]["value"]
        assert server.predict(body).json()["predictions"][0]["y"] == 3.0
        page = server.get("/docs").text
        assert "://" not in page.replace("http://www.w3.org", "")
        asset = next(part.split('"')[0] for part in page.split('src="')[1:] if ".js" in part)
        assert server.get(asset).status_code == 200


def test_metrics_are_prometheus_text(repository: Repository) -> None:
    with Server(repository.folder, repository.state).ready() as server:
        server.predict({"inputs": {"x": [1.0]}})
        text = server.get("/metrics").text
        revision = repository.revisions[1]
        assert f'pinion_requests_total{{fault="none",model="oracle",outcome="ok",revision="{revision}"}} 1.0' in text
        for stage in ("parse", "queue", "predict", "encode"):
            assert f'pinion_stage_seconds_count{{model="oracle",stage="{stage}"}}' in text
        assert f'revision="{revision}",run=""}} 1.0' in text


def test_a_server_whose_log_nobody_reads_goes_on(repository: Repository) -> None:
    command = [SERVE, "--repo", str(repository.folder), "--port", "0"]
    environment = {**os.environ, "PINION_ARTIFACT__STATE": str(repository.state)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        url = json.loads(server.stderr.readline())["url"]
        server.stderr.close()
        try:
            deadline = time.monotonic() + 60
            while httpx.get(f"{url}/health/ready").status_code != 200:
                assert time.monotonic() < deadline
        finally:
            server.terminate()
        assert server.wait(30) == 0


def test_a_server_with_no_stderr_at_all_says_nothing_and_stops_cleanly(repository: Repository) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = f"exec {SERVE} --repo {repository.folder} --port {port} 2>&-"
    environment = {**os.environ, "PINION_ARTIFACT__STATE": str(repository.state)}
    with subprocess.Popen(["/bin/sh", "-c", command], env=environment) as server:
        try:
            deadline = time.monotonic() + 60
            while not _is_ready(f"http://127.0.0.1:{port}"):
                assert server.poll() is None
                assert time.monotonic() < deadline
        finally:
            server.terminate()
        assert server.wait(30) == 0


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.ConnectError:  # it does not listen yet
        return False
