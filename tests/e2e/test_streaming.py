"""Answers in chunks over real HTTP: their form, who leaves, what fails, and a server that is told to stop."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import promote
from tests.e2e.server import Server
from tests.models import TELLER
from tests.repositories import new_repository

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
FOREVER = 10**9


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Path:
    folder = new_repository(tmp_path_factory.mktemp("streams") / "repo")
    promote(folder, state, TELLER, "teller")
    return folder


@pytest.fixture(scope="module")
def diaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model may write."""
    return tmp_path_factory.mktemp("diaries")


@pytest.fixture(scope="module")
def server(repo: Path, state: Path, diaries: Path) -> Iterator[Server]:
    """One worker: that it answers another request proves it free again."""
    with Server(repo, state, worker__writable=f'["{diaries}"]') as one:
        yield one.ready()


def row(**asked: Any) -> dict[str, Any]:
    return {"dataframe_records": [{"prompt": "w", **asked}]}


def tell(server: Server, accept: str, body: Any, path: str = "/predict") -> httpx.Response:
    return httpx.post(server.url + path, json=body, headers={"accept": accept}, timeout=30.0)


def counted(server: Server, outcome: str) -> float:
    lines = server.get("/metrics").text.splitlines()
    own = [line for line in lines if line.startswith("pinion_requests_total") and f'outcome="{outcome}"' in line]
    return sum(float(line.split()[-1]) for line in own)


@pytest.mark.parametrize("path", ["/predict", "/models/teller/predict", "/invocations"])
def test_server_sent_events_come_chunk_by_chunk_with_the_lineage(server: Server, path: str) -> None:
    before = counted(server, "ok")
    answer = tell(server, SSE, row(), path)
    assert answer.text == "".join(
        "event: done\ndata: {}\n\n" if one is None else f'data: {{"predictions":"{one}"}}\n\n'
        for one in ("w 0", "w 1", "w 2", None)
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, SSE)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-model-name"] == "teller"
    assert answer.headers["x-model-revision"]
    assert counted(server, "ok") == before + 1


def test_json_lines_and_params(server: Server) -> None:
    answer = tell(server, NDJSON, {**row(), "params": {"mark": "!"}})
    assert [json.loads(line)["predictions"] for line in answer.text.splitlines()] == ["w 0!", "w 1!", "w 2!"]


@pytest.mark.parametrize(
    ("accept", "body"), [(SSE, 'data: "w 0"\n\ndata: "w 1"\n\ndata: [DONE]\n\n'), (NDJSON, '"w 0"\n"w 1"\n')]
)
def test_a_body_of_the_unified_form_is_answered_as_clients_of_chat_models_expect(
    server: Server, accept: str, body: str
) -> None:
    assert tell(server, accept, {"prompt": "w", "count": 2}, "/invocations").text == body


def test_whoever_does_not_ask_for_chunks_gets_the_whole(server: Server) -> None:
    assert server.predict(row()).json() == {"predictions": ["w 0 w 1 w 2"]}


def test_a_client_that_leaves_stops_the_generator_and_frees_the_worker(server: Server, diaries: Path) -> None:
    diary = diaries / "diary"
    body = row(count=FOREVER, diary=str(diary))
    before = counted(server, "cancelled")
    with httpx.stream("POST", server.url + "/predict", json=body, headers={"accept": SSE}, timeout=30.0) as answer:
        lines = answer.iter_lines()
        assert next(lines) == 'data: {"predictions":"w 0"}'
    assert server.predict(row(count=1)).status_code == 200
    assert diary.read_text().splitlines()[-1] == "closed"
    assert counted(server, "cancelled") == before + 1


def test_an_error_before_the_first_chunk_is_a_plain_refusal(server: Server) -> None:
    answer = tell(server, SSE, row(fault="raise 0"))
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["code"] == "predict_failed"


def test_an_error_after_the_first_chunk_is_an_event_of_its_own(server: Server) -> None:
    answer = tell(server, SSE, row(fault="raise 1"))
    first, last = answer.text.removesuffix("\n\n").split("\n\n")
    assert (answer.status_code, first) == (200, 'data: {"predictions":"w 0"}')
    event, data = last.split("\n")
    problem = json.loads(data.removeprefix("data: "))
    assert (event, problem["code"], problem["status"]) == ("event: error", "predict_failed", 500)
    assert "hunter2" not in answer.text
    assert problem["request_id"] == answer.headers["x-request-id"]
    other = json.loads(tell(server, NDJSON, row(fault="raise 1")).text.splitlines()[1])["error"]
    assert other == {**problem, "request_id": other["request_id"]}


def test_an_error_on_invocations_has_the_shape_of_that_dialect(server: Server) -> None:
    *_, last = tell(server, SSE, {"prompt": "w", "fault": "raise 1"}, "/invocations").text.split("\n\n")[:-1]
    error = json.loads(last.split("\n")[1].removeprefix("data: "))["error"]
    assert error["error_code"] == "INTERNAL_ERROR"
    assert "the server's log has the details" in error["message"]


def test_a_worker_that_dies_in_a_stream_is_told_and_replaced(server: Server) -> None:
    answer = tell(server, NDJSON, row(fault="exit 1"))
    assert json.loads(answer.text.splitlines()[-1])["error"]["code"] == "worker_died"
    assert server.predict(row(count=1)).status_code == 200


@pytest.mark.parametrize(
    ("rows", "status", "told"),
    [
        ([{"prompt": "w"}] * 2, 422, "a streamed answer is to one row; the request has 2"),
        ([{"prompt": 1}], 422, "prompt"),
    ],
)
def test_what_can_not_be_streamed_is_refused_before_the_queue(
    server: Server, rows: list[Any], status: int, told: str
) -> None:
    answer = tell(server, SSE, {"dataframe_records": rows})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert told in answer.json()["detail"]


def test_a_stream_that_outlasts_a_stopping_server_ends_with_an_error(repo: Path, state: Path) -> None:
    with Server(repo, state, rollout__drain_timeout_seconds=0.1).ready() as server:
        body = row(count=FOREVER)
        with httpx.stream("POST", server.url + "/predict", json=body, headers={"accept": NDJSON}, timeout=30.0) as told:
            lines = told.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGTERM)
            *_, last = lines
        assert json.loads(last)["error"]["code"] == "not_ready"
        assert server.process.wait(30) == 0
    assert not [one for one in server.events if "Traceback" in one.get("line", "")]
