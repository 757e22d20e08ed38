"""MLflow's own client, curl and plain HTTP, against `/invocations`, `/ping`, `/health`, `/version`: a drop-in."""

import io
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.types.kinds import KINDS
from tests.types.routes import ROUTES, Format


@pytest.fixture(scope="module")
def server(promoted: Repository) -> Iterator[Server]:
    """The oracle: y = x · 3, beside the factor."""
    promoted.checkout(1)
    with Server(promoted.folder, promoted.state) as one:
        yield one.ready()


@pytest.fixture(scope="module")
def client(server: Server) -> ScoringServerClient:
    url = httpx.URL(server.url)
    return ScoringServerClient(url.host, url.port)


def test_the_client_finds_the_server_ready_and_learns_mlflows_version(client: ScoringServerClient) -> None:
    client.wait_server_ready(timeout=10)
    assert client.get_version() == mlflow.__version__


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_a_ping_is_answered_as_mlflow_answers_it(server: Server, path: str) -> None:
    answer = server.get(path)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "\n", "application/json")


def test_the_client_predicts_a_frame_with_the_index_it_had(client: ScoringServerClient) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.5]}, index=[7, 9])
    assert client.invoke(frame).get_predictions().to_dict("records") == [
        {"y": 3.0, "factor": 3.0},
        {"y": 7.5, "factor": 3.0},
    ]


def test_the_client_predicts_a_list_and_an_array(client: ScoringServerClient) -> None:
    assert client.invoke([{"x": 2.0}]).get_predictions()["y"].tolist() == [6.0]
    with pytest.raises(Exception, match="INVALID_PARAMETER_VALUE"):
        client.invoke(np.array([[1.0, 2.0]]))


@pytest.mark.parametrize("path", ["/invocations", "/models/oracle/invocations"])
@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8"])
def test_csv_is_read_by_the_models_own_pandas(server: Server, path: str, kind: str) -> None:
    body = pd.DataFrame({"x": [1.0, 2.0], "ignored": ["a", "b"]}).to_csv(index=False).encode()
    answer = httpx.post(server.url + path, content=body, headers={"content-type": kind})
    assert [row["y"] for row in answer.json()["predictions"]] == [3.0, 6.0]


FRAMES: dict[str, Callable[[bytes], Any]] = {
    "JSON": lambda body: pd.DataFrame(json.loads(body)["predictions"]),
    "CSV": lambda body: pd.read_csv(io.BytesIO(body)),
    "Parquet": lambda body: pd.read_parquet(io.BytesIO(body)),
    "Arrow": lambda body: pa.ipc.open_stream(body).read_all().to_pandas(),
    ".npy": lambda body: pd.DataFrame(np.load(io.BytesIO(body))),
}


SENT = [
    pytest.param(path, one, id=f"{path[1:]}-{one.name}")
    for path in ("/predict", "/invocations")
    for one in ROUTES[path]
    if (path, one.name) != ("/invocations", "Parquet")  # which needs a library in the model's environment: see below
]


@pytest.mark.parametrize("answered", ROUTES["/predict"], ids=lambda one: one.name)
@pytest.mark.parametrize(("path", "sent"), SENT)
def test_curl_sends_each_format_and_gets_each(
    server: Server, tmp_path: Path, path: str, sent: Format, answered: Format
) -> None:
    (tmp_path / "body").write_bytes(sent.write(KINDS["double"]).content)
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--data-binary", f"@{tmp_path / 'body'}"]
    headers = ["--header", f"Content-Type: {sent.content_type}", "--header", f"Accept: {answered.content_type}"]
    done = subprocess.run([*command, *headers, server.url + path], capture_output=True)
    assert done.returncode == 0, done.stdout
    assert FRAMES[answered.name](done.stdout).to_dict("list") == {"y": [0.1 * 3, 1e300 * 3], "factor": [3.0, 3.0]}


def test_parquet_needs_a_library_in_the_models_environment(server: Server) -> None:
    parquet = io.BytesIO()
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(parquet)
    headers = {"content-type": "application/vnd.apache.parquet"}
    answer = httpx.post(server.url + "/invocations", content=parquet.getvalue(), headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "MLflow refused the inputs: the model's environment has no library that reads application/vnd.apache.parquet",
    )
    answer = httpx.post(server.url + "/predict", content=parquet.getvalue(), headers=headers)
    assert [row["y"] for row in answer.json()["predictions"]] == [3.0, 6.0]


@pytest.mark.parametrize(
    ("body", "kind", "status", "told"),
    [
        (b'{"inputs": [{"z": 1}]}', "application/json", 400, "lacks the column 'x'"),
        (b'{"inputs": [{"x": "secret"}]}', "application/json", 400, "inputs[0].x is a string; the model takes double"),
        (b"{", "application/json", 400, "the body is not JSON"),
        (b'{"dataframe_split": {"data": [[1]], "columns": ["x"], "secret": 1}}', "application/json", 400, "has no key"),
        (b"x\nsecret\n", "text/csv", 400, "MLflow refused the inputs"),
        (b"PAR1", "application/vnd.apache.parquet", 400, "MLflow refused the inputs"),
    ],
)
def test_refusals_have_mlflows_shape_and_never_repeat_the_data(
    server: Server, body: bytes, kind: str, status: int, told: str
) -> None:
    answer = httpx.post(server.url + "/invocations", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert told in answer.json()["message"]
    assert answer.json()["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
    assert "stack_trace" not in answer.json()
    assert "secret" not in answer.text.replace("'secret'; it has", "")


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=latin-1", "application/json; version=1", ""])
def test_a_content_type_that_is_not_read_is_415_in_plain_text(server: Server, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = httpx.post(server.url + "/invocations", content=b'{"inputs": 1}', headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (415, "text/plain; charset=utf-8")


def test_a_fault_of_the_model_is_500_and_tells_no_secret(server: Server) -> None:
    answer = server.predict({"inputs": [{"x": 1.0, "fault": "raise"}]}, "/invocations")
    assert (answer.status_code, answer.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "hunter2" not in answer.text


def test_columns_the_model_does_not_know_are_dropped_and_unknown_params_ignored(server: Server) -> None:
    body = {"dataframe_records": [{"x": 1.0, "z": 5}], "params": {"k": 1}, "other": 1}
    assert server.predict(body, "/invocations").json()["predictions"] == [{"y": 3.0, "factor": 3.0}]


def test_an_answer_says_where_it_comes_from(server: Server, promoted: Repository) -> None:
    answer = server.predict({"inputs": {"x": [1.0]}}, "/invocations")
    assert answer.headers["x-model-revision"] == promoted.revisions[1]


@pytest.mark.parametrize("path", ["/invocations", "/models/nobody/invocations"])
def test_what_is_not_there_is_refused_in_mlflows_shape(server: Server, path: str) -> None:
    answer = server.get(path) if path == "/invocations" else server.predict({"inputs": [1]}, path)
    assert answer.status_code == (405 if path == "/invocations" else 404)
    assert answer.json()["error_code"] == ("BAD_REQUEST" if path == "/invocations" else "RESOURCE_DOES_NOT_EXIST")


def test_the_scoring_routes_say_503_where_nothing_is_live_yet(cold: Repository) -> None:
    shutil.rmtree(cold.folder / "remote")
    with Server(cold.folder, cold.state) as one:
        one.wait("rollout failed")
        assert [one.get(path).status_code for path in ("/ping", "/health", "/version")] == [503, 503, 503]
