"""What the metrics of a real server say, of requests of every kind and of the server itself."""

import os
import subprocess
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.chaos.conftest import copied
from tests.chaos.residue import eventually
from tests.e2e import metrics
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import needs


@pytest.fixture(scope="module")
def server(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two workers with traffic behind it, right and wrong, over HTTP in two dialects."""
    repository = copied(promoted, tmp_path_factory.mktemp("metered"))
    settings = {"worker__count": 2, "http__max_connections": 50}
    with Server(repository.folder, repository.state, **settings).ready() as one:
        for _ in range(3):
            one.predict({"inputs": {"x": [1.0]}})
        one.predict({"inputs": {"x": [1.0], "fault": ["raise"]}})
        one.predict({"inputs": {"x": ["no number"]}})
        one.predict({"inputs": {"x": [1.0]}}, "/models/nobody/predict")
        one.predict({"inputs": {"x": [1.0]}}, "/invocations")
        httpx.post(f"{one.url}/predict", content=b"{", headers={"content-type": "application/json"})
        yield one


@needs("promtool")
def test_promtool_finds_nothing_wrong_with_the_metrics(server: Server) -> None:
    told = server.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=told, capture_output=True, text=True)
    assert (done.returncode, done.stderr + done.stdout) == (0, "")


def test_each_request_is_counted_once_with_whose_fault_it_was(server: Server) -> None:
    def requests(**labels: str) -> float:
        return metrics.value(server, "pinion_requests_total", **labels)

    assert requests(model="oracle", outcome="ok", fault="none") == 4
    assert requests(model="oracle", outcome="predict_failed", fault="model") == 1
    assert requests(model="oracle", outcome="invalid_inputs", fault="caller") == 1
    assert requests(model="", outcome="model_not_found", fault="caller") == 1
    assert requests(model="oracle", outcome="malformed_request", fault="caller") == 1
    assert requests() - requests(outcome="cancelled") == 8


def test_each_answer_is_timed_by_dialect_and_status(server: Server) -> None:
    def timed(**labels: str) -> float:
        return metrics.value(server, "pinion_request_seconds_count", **labels)

    assert timed(model="oracle", dialect="predict", status="200") == 3
    assert timed(model="oracle", dialect="invocations", status="200") == 1
    assert timed(model="oracle", dialect="predict", status="500") == 1
    assert timed(model="oracle", dialect="predict", status="422") == 1
    assert timed(model="", dialect="predict", status="404") == 1
    assert timed(model="oracle", dialect="predict", status="400") == 1
    assert timed() == 8
    assert 0 < metrics.value(server, "pinion_request_seconds_sum") < 60


def test_workers_are_told_of_as_they_are(server: Server) -> None:
    pids = server.pids()
    assert metrics.value(server, "pinion_workers", model="oracle", state="ready") == 2
    memory = sum(psutil.Process(pid).memory_info().rss for pid in pids)
    assert metrics.value(server, "pinion_worker_memory_bytes", model="oracle") == pytest.approx(memory, rel=0.2)
    assert metrics.value(server, "pinion_worker_cpu_seconds_total", worker="1") > 0
    assert metrics.value(server, "pinion_worker_deaths_total", model="oracle") == 0


def test_a_worker_that_predicts_is_busy_and_its_request_in_flight(server: Server) -> None:
    body = '{"inputs": {"x": [1.0], "fault": ["nap:3"]}}'
    with httpx.Client(base_url=server.url) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/predict", content=body, headers={"content-type": "application/json"}, timeout=0.5)
    # The worker goes on for nobody.
    assert metrics.value(server, "pinion_workers", state="busy") == 1
    assert metrics.value(server, "pinion_workers", state="ready") == 1
    assert eventually(lambda: metrics.value(server, "pinion_workers", state="ready") == 2, 30.0)


def test_the_release_is_told_of_by_its_commit_and_when_it_went_live(server: Server) -> None:
    live = server.model()
    labels = {"digest": live["digest"], "revision": live["revision"], "run": live["run"]}
    assert metrics.value(server, "pinion_live_model_info", model="oracle", **labels) == 1
    started = metrics.value(server, "process_start_time_seconds")
    assert metrics.value(server, "pinion_release_live_timestamp_seconds") > started
    assert metrics.value(server, "pinion_release_pending_timestamp_seconds") == 0
    assert metrics.value(server, "pinion_rollouts_total", outcome="live") == 1
    assert 'pinion_rollouts_total{outcome="fell_back"} 0.0' in server.get("/metrics").text
    assert metrics.value(server, "pinion_rollout_seconds_count") == 1


def test_the_server_tells_how_much_it_has_of_everything(server: Server) -> None:
    assert metrics.value(server, "pinion_ready") == 1
    assert metrics.value(server, "pinion_connections_limit") == 50
    assert 1 <= metrics.value(server, "pinion_connections") <= 50
    limit = metrics.value(server, "pinion_memory_limit_bytes")
    assert 0 < limit <= psutil.virtual_memory().total
    free, size = (metrics.value(server, f"pinion_state_disk_{one}_bytes") for one in ("free", "size"))
    assert 0 <= free < size == pytest.approx(os.statvfs(server.state).f_blocks * os.statvfs(server.state).f_frsize)
    assert eventually(lambda: metrics.value(server, "pinion_event_loop_lag_seconds_count") > 1)
    assert metrics.value(server, "pinion_queue_limit_rows") == 100_000
    assert metrics.value(server, "pinion_queue_rows") == 0
    assert metrics.value(server, "pinion_build_info") == 1
