"""What a caller may send wrong: one clear sentence, the right status, no traceback, and nothing lost."""

import gzip
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Repository
from tests.e2e.odd_json import ODD
from tests.e2e.server import Server


@pytest.fixture(scope="module")
def server(promoted: Repository) -> Iterator[Server]:
    with Server(promoted.folder, promoted.state, http__max_body_bytes=100_000, http__max_rows=100).ready() as one:
        yield one


@pytest.fixture(scope="module")
def lenient(promoted: Repository) -> Iterator[Server]:
    """The same with the limits as they are by default."""
    with Server(promoted.folder, promoted.state).ready() as one:
        yield one


LEAK = re.compile(rb"Traceback|File \"|/tmp/|/root|/home|\.py\b|site-packages|hunter2")  # E-14
JSON = {"content-type": "application/json"}

BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "the body is empty"),
    (b"{", 400, "not JSON"),
    (b"\xff\xfe{\x00}", 400, "not JSON"),
    (b'{"inputs": NaN}', 400, "not JSON"),
    (b"[" * 5000, 400, "nested too deeply"),
    (b"null", 400, "must be a JSON object"),
    (b"[1, 2]", 400, "not a list"),
    (b"{}", 400, "it holds none of them"),
    (b'{"inputs": {"x": [1]}, "instances": []}', 400, "inputs and instances"),
    (b'{"inputs": {"x": [1]}, "extra": 1}', 400, "unknown key 'extra'"),
    (b'{"inputs": {"x": [1]}, "params": []}', 400, "params must be a JSON object"),
    (b'{"inputs": {"x": [1]}, "params": {"nope": 1}}', 422, "no param 'nope'; it takes none"),
    (b'{"inputs": {"y": [1]}}', 422, "inputs lacks the column 'x'"),
    (b'{"inputs": {"x": [1], "z": [1]}}', 422, "does not take the column 'z'"),
    (b'{"inputs": {"x": ["one"]}}', 422, "inputs.x[0] is a string; the model takes double there"),
    (b'{"inputs": {"x": [1, true]}}', 422, "inputs.x[1] is a boolean"),
    (b'{"inputs": {"x": [[1]]}}', 422, "inputs.x[0] is a list"),
    (b'{"inputs": {"x": [1, 2], "fault": [null]}}', 422, "equal lengths"),
    (b'{"inputs": {"x": []}}', 422, "no rows"),
    (b'{"inputs": 3}', 422, "inputs must be"),
    (b'{"dataframe_split": {"columns": ["x"], "data": [[1], [2, 3]]}}', 422, "dataframe_split.data[1]"),
    (b'{"dataframe_split": {"columns": ["x", "x"], "data": [[1, 2]]}}', 422, "different names"),
    (b'{"dataframe_split": {"columns": ["x"], "rows": []}}', 422, "dataframe_split must be"),
    (b'{"dataframe_records": [{"x": 1}, {"fault": "a"}]}', 422, "dataframe_records[1] lacks the column 'x'"),
    (b'{"dataframe_records": []}', 422, "an empty list"),
    (b'{"dataframe_records": {"x": 1}}', 422, "not an object"),
    (b'{"inputs": {"x": [' + b"1," * 200 + b"1]}}", 413, "201 rows; at most 100"),
    (b'{"inputs": "' + b"x" * 200_000 + b'"}', 413, "over the limit of 100000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "told"), BODIES, ids=[told for _, _, told in BODIES])
def test_a_bad_body_is_refused_in_a_sentence(server: Server, body: bytes, status: int, told: str) -> None:
    answer = httpx.post(server.url + "/predict", content=body, headers=JSON)
    check(answer, status, told)
    assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "told"),
    [
        ("POST", "/predict", {}, 415, "it is none"),
        ("POST", "/predict", {"content-type": "text/plain"}, 415, "it is 'text/plain'"),
        ("POST", "/predict", {"content-type": "application/json; charset=utf-16"}, 415, "must be UTF-8"),
        ("GET", "/predict", {}, 405, "/predict takes POST, not GET"),
        ("PUT", "/models/oracle/predict", JSON, 405, "takes POST"),
        ("POST", "/models/other/predict", JSON, 404, "no model named 'other' is live; live models: oracle"),
        ("GET", "/nowhere", {}, 404, "the routes are listed at /docs"),
        ("DELETE", "/models", {}, 405, "Method Not Allowed"),
        ("POST", "/predict", {**JSON, "accept": "text/event-stream"}, 406, "'oracle' has no predict_stream"),
    ],
)
def test_a_wrong_door_is_named(
    server: Server, method: str, path: str, headers: dict[str, str], status: int, told: str
) -> None:
    body = b'{"inputs": {"x": [1.0]}}' if method in ("POST", "PUT") else None
    check(httpx.request(method, server.url + path, content=body, headers=headers), status, told)


@pytest.mark.parametrize("name", ODD)
def test_e10_odd_json_has_the_status_that_is_documented(lenient: Server, name: str) -> None:
    """E-8 and E-14 too: what is deep, and that no answer repeats what was sent."""
    body, (status, code) = ODD[name]
    answer = httpx.post(lenient.url + "/predict", content=body, headers=JSON, timeout=30.0)
    if status == 200:
        assert (answer.status_code, len(answer.json()["predictions"])) == (200, 1)
        return
    check(answer, status, "")
    assert answer.json()["code"] == code


@pytest.mark.parametrize("path", ["/invocations", "/v2/models/oracle/infer"])
def test_e10_odd_json_is_nowhere_a_fault_of_ours(lenient: Server, path: str) -> None:
    with httpx.Client(headers=JSON, timeout=30.0) as client:
        for name, (body, _) in ODD.items():
            if name in ("infinity", "beyond every float"):
                continue  # MLflow takes them, and of this model they are the end
            answer = client.post(lenient.url + path, content=body)
            assert answer.status_code in (200, 400, 413), (name, answer.text)
            assert not LEAK.search(answer.content), (name, answer.text)
            answer.json()


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_e11_a_packed_body_is_not_unpacked_where_no_protocol_asks_for_it(
    server: Server, path: str, encoding: str
) -> None:
    packed = gzip.compress(b'{"inputs": {"x": [1.0]}}')
    answer = httpx.post(server.url + path, content=packed, headers={**JSON, "content-encoding": encoding})
    assert answer.status_code == 415
    assert "Content-Encoding" in answer.text


def test_e11_a_bomb_is_unpacked_no_further_than_a_body_may_be(server: Server) -> None:
    bomb = gzip.compress(b" " * 2**28)
    headers = {**JSON, "content-encoding": "gzip"}
    for _ in range(3):
        assert infer(server, bomb, headers).status_code == 413
        assert infer(server, bomb[:1000], headers).status_code in (400, 413)
        assert infer(server, gzip.compress(bomb), headers).status_code in (400, 413)
    assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200


def infer(server: Server, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(server.url + "/v2/models/oracle/infer", content=body[:90_000], headers=headers, timeout=30.0)


def test_a_fault_of_the_model_is_500_and_keeps_its_secrets(server: Server) -> None:
    check(server.predict({"inputs": {"x": [1.0], "fault": ["raise"]}}), 500, "the server's log has the details")
    logged = server.wait("predict failed")
    assert "hunter2" in logged["trace"]


def test_a_request_that_kills_its_worker_is_refused_and_the_next_is_answered(server: Server) -> None:
    check(server.predict({"inputs": {"x": [1.0], "fault": ["exit"]}}), 500, "ends the workers of model 'oracle'")
    assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200


def check(answer: httpx.Response, status: int, told: str) -> None:
    """Problem details of that status, with that sentence, and nothing of ours or the caller's in it."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), problem
    assert told in problem["detail"]
    assert problem["status"] == status
    assert re.fullmatch(r"[a-z_]+", problem["code"])
    assert not LEAK.search(answer.content)
