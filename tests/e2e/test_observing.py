"""A real server that is watched in every way: what its log, a collector and recordings tell of the same requests."""

import io
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pandas as pd
import pytest

from serve.front.grpc import open_inference_pb2 as messages
from tests.collector import Collector, attributes, collecting
from tests.e2e import metrics
from tests.e2e.conftest import Repository
from tests.e2e.server import Server

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INFER = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched") / "recordings"


@pytest.fixture(scope="module")
def server(promoted: Repository, collector: Collector, folder: Path) -> Iterator[Server]:
    promoted.checkout(1)
    settings = {"traces__endpoint": collector.endpoint, "traces__ratio": 1, "record__folder": folder}
    with Server(
        promoted.folder, promoted.state, http__grpc_port=0, log_requests="true", record__file_seconds=0.5, **settings
    ) as one:
        yield one.ready()


def rows(*cells: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": ["x", "fault"], "data": [list(cell) for cell in cells]}}


def ask(server: Server, body: Any, name: str, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{server.url}/models/oracle/predict", json=body, headers={"x-request-id": name, **headers}, timeout=30.0
    )


def line(server: Server, name: str) -> dict[str, Any]:
    """That of the log about a request."""
    return server.wait("request", request_id=name)


def recorded(folder: Path, name: str, seconds: float = 30.0) -> pd.Series:
    """The row of a request, as soon as its file is complete."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        files = list(folder.glob("*.parquet"))
        found = pd.concat([pd.read_parquet(file) for file in files]) if files else pd.DataFrame({"request_id": []})
        if len(mine := found[found["request_id"] == name]):
            assert len(mine) == 1
            return mine.iloc[0]
        time.sleep(0.05)  # a file comes without a word
    raise AssertionError(f"no row of {name}")


def test_log_collector_and_recording_tell_the_same_of_a_prediction(
    server: Server, collector: Collector, folder: Path, promoted: Repository
) -> None:
    answer = ask(server, rows([1.0, None], [2.0, None]), "same", traceparent=f"00-{TRACE}-{SPAN}-01")
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "same")
    told, row = line(server, "same"), recorded(folder, "same")
    names = ("digest", "revision", "run")
    digest, revision, run = (answer.headers[f"x-model-{name}"] for name in names)
    assert (row["status"], row["rows"], row["model"], row["digest"], row["revision"], row["run"]) == (
        (200, 2, "oracle", digest, revision, run)
    )
    assert {name: told[name] for name in ("method", "route", "status", "bytes", "model", "revision", "rows")} == {
        "method": "POST",
        "route": "/models/{name}/predict",
        "status": 200,
        "bytes": len(answer.content),
        "model": "oracle",
        "revision": revision,
        "rows": 2,
    }
    assert told["trace_id"] == TRACE
    assert 0 < told["seconds"] < 30
    assert revision == promoted.revisions[1]

    def mine() -> list[Any]:
        return [one for one in collector.spans if one.trace_id.hex() == TRACE]

    collector.wait(4)
    while len(mine()) < 3:
        collector.wait(len(collector.spans) + 1)
    (door,) = [one for one in mine() if one.parent_span_id.hex() == SPAN]
    assert attributes(door)["pinion.model.digest"] == digest
    assert {one.name for one in mine()} == {"POST /models/{name}/predict", "queue", "predict"}
    batches = [one for one in collector.named("batch") if door.span_id in {link.span_id for link in one.links}]
    assert len(batches) == 1


def test_a_recorded_row_is_answered_by_another_release_as_curl_sends_it(
    server: Server, folder: Path, promoted: Repository, tmp_path: Path
) -> None:
    ask(server, rows([5.0, None]), "replayed")
    row = recorded(folder, "replayed")
    (tmp_path / "request").write_bytes(row["request"])
    before = json.loads(row["answer"])["predictions"][0]
    promoted.checkout(0)
    try:
        server.wait("release live", 2)
        curl = ["curl", "-sS", "-H", f"Content-Type: {row['content_type']}"]
        replay = [*curl, "--data-binary", f"@{tmp_path / 'request'}", server.url + row["path"]]
        done = subprocess.run(replay, capture_output=True, check=True)
    finally:
        promoted.checkout(1)
        server.wait("release live", 3)
    after = json.loads(done.stdout)["predictions"][0]
    assert (before, after) == ({"y": 15.0, "factor": 3.0}, {"y": 10.0, "factor": 2.0})


def test_packed_bodies_are_recorded_byte_for_byte(server: Server, folder: Path) -> None:
    packed = io.BytesIO()
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(packed)
    kind = "application/vnd.apache.parquet"
    answer = httpx.post(
        f"{server.url}/models/oracle/predict",
        content=packed.getvalue(),
        headers={"content-type": kind, "accept": "application/x-npy", "x-request-id": "packed"},
    )
    assert answer.status_code == 200, answer.text
    row = recorded(folder, "packed")
    assert (row["content_type"], row["accept"], row["answer_content_type"]) == (
        (kind, "application/x-npy", "application/x-npy")
    )
    assert row["request"] == packed.getvalue()
    assert np.load(io.BytesIO(row["answer"]))["y"].tolist() == [3.0, 6.0]


def test_binary_tensors_are_recorded_with_the_length_that_tells_them_apart(server: Server, folder: Path) -> None:
    head = json.dumps(
        {
            "inputs": [
                {"name": "x", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}},
            ]
        }
    ).encode()
    body = head + np.array([4.0]).tobytes()
    headers = {"inference-header-content-length": str(len(head)), "x-request-id": "tensors"}
    answer = httpx.post(f"{server.url}/v2/models/oracle/infer", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    row = recorded(folder, "tensors")
    assert (row["json_bytes"], row["request"]) == (len(head), body)


def test_a_call_over_grpc_is_named_logged_traced_and_recorded(
    server: Server, collector: Collector, folder: Path
) -> None:
    tensor = messages.ModelInferRequest.InferInputTensor(name="x", datatype="FP64", shape=[1])
    tensor.contents.fp64_contents.append(2.0)
    asked = messages.ModelInferRequest(model_name="oracle", inputs=[tensor])
    with grpc.insecure_channel(str(server.wait("listening for gRPC")["address"])) as channel:
        call = channel.unary_unary(
            INFER,
            request_serializer=messages.ModelInferRequest.SerializeToString,
            response_deserializer=messages.ModelInferResponse.FromString,
        )
        _, done = call.with_call(asked, metadata=(("x-request-id", "called"),))
        assert dict(done.initial_metadata())["x-request-id"] == "called"
        assert dict(done.trailing_metadata())["x-request-id"] == "called"
        asked.model_name = "nobody"
        with pytest.raises(grpc.RpcError) as refused:
            call(asked, metadata=(("x-request-id", "refused"),))
    assert dict(refused.value.trailing_metadata())["x-request-id"] == "refused"  # type: ignore[attr-defined]
    assert (line(server, "called")["route"], line(server, "called")["status"]) == (INFER, 200)
    assert line(server, "refused")["status"] == 404
    row = recorded(folder, "called")
    assert messages.ModelInferRequest.FromString(row["request"]).inputs[0].contents.fp64_contents == [2.0]
    assert (row["path"], row["content_type"]) == (INFER, "application/grpc")


def test_the_log_of_a_failed_prediction_names_its_request(server: Server) -> None:
    answer = ask(server, rows([1.0, "raise"]), "failing")
    assert (answer.status_code, answer.json()["request_id"]) == (500, "failing")
    assert server.wait("predict failed", request_id="failing")["kind"] == "ValueError"
    assert line(server, "failing")["status"] == 500


def test_what_a_model_prints_names_the_request_it_was_at(server: Server) -> None:
    for name in ("first", "second"):
        ask(server, rows([1.0, f"say:{name}"]), name)
    for name in ("first", "second"):
        assert server.wait("model printed", line=name)["requests"] == [name]


def test_the_death_of_a_worker_names_the_request_it_had(server: Server) -> None:
    before = server.count("worker died")
    assert ask(server, rows([1.0, "exit:3"]), "deadly").status_code == 500
    for count in (1, 2):
        assert server.wait("worker died", before + count)["requests"] == ["deadly"]


def test_a_route_that_is_none_is_logged_without_its_address(server: Server) -> None:
    answer = httpx.get(f"{server.url}/secret/path?token=hunter2", headers={"x-request-id": "lost"})
    assert answer.json()["request_id"] == "lost"
    told = line(server, "lost")
    assert (told["status"], told["route"]) == (404, "")
    assert "hunter2" not in json.dumps(told)
    assert "secret" not in json.dumps(told)


def test_nothing_was_lost_on_the_way(server: Server) -> None:
    assert metrics.value(server, "pinion_dropped_spans_total") == 0
    assert metrics.value(server, "pinion_unrecorded_requests_total") == 0
    assert metrics.value(server, "pinion_recording") == 1


def test_what_is_held_as_the_server_ends_is_written(promoted: Repository, collector: Collector, tmp_path: Path) -> None:
    settings = {"traces__endpoint": collector.endpoint, "traces__ratio": 1, "record__folder": tmp_path / "recordings"}
    with Server(promoted.folder, promoted.state, log_requests="true", **settings) as server:
        server.ready()
        before = len(collector.named("predict"))
        ask(server, rows([1.0, None]), "last")
        assert server.stop() == 0
        line(server, "last")
    assert len(collector.named("predict")) == before + 1
    assert recorded(tmp_path / "recordings", "last")["status"] == 200
    assert list((tmp_path / "recordings").glob(".*")) == []
