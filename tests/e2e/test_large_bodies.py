"""Large bodies hold up nobody: what else is asked is answered meanwhile, also where reading them goes wrong."""

import http.client
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from tests.e2e.conftest import Repository, promote
from tests.e2e.server import Server
from tests.models import ORACLE, oracle
from tests.repositories import new_repository

MIB = 2**20
MOST_ROWS = 10**7
SLOWEST_HEALTH_SECONDS = 0.2


@pytest.fixture(scope="module")
def server(promoted: Repository) -> Iterator[Server]:
    """The oracle: y = x · 3, beside the factor."""
    promoted.checkout(1)
    settings = {"http__max_rows": MOST_ROWS, "http__aside_processes": 1, "http__max_held_bytes": 10 * MIB}
    with Server(promoted.folder, promoted.state, **settings).ready() as one:
        yield one


def numbers(count: int) -> list[float]:
    rng = random.Random(count)
    return [rng.uniform(-1e6, 1e6) for _ in range(count)]


X = numbers(350_000)
LARGE = orjson.dumps({"inputs": {"x": X}})  # 6 MiB
ANSWER = {"predictions": [{"y": x * 3.0, "factor": 3.0} for x in X]}


def ask(server: Server, body: bytes, path: str = "/predict") -> http.client.HTTPConnection:
    """Send all of a request; whoever sent it may ask for the answer when they like."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    connection.request("POST", path, body, {"content-type": "application/json"})
    return connection


def answered(connection: http.client.HTTPConnection) -> tuple[int, Any]:
    answer = connection.getresponse()
    body = orjson.loads(answer.read())
    connection.close()
    assert body.pop("request_id", answer.headers["x-request-id"]) == answer.headers["x-request-id"]
    return answer.status, body


def aside(server: Server) -> psutil.Process:
    """The one process that reads large bodies, as soon as there is one."""
    parent = psutil.Process(server.process.pid)
    while not (found := [one for one in parent.children() if "serve.aside" in one.cmdline()]):
        pass
    return found[0]


def test_others_are_answered_while_a_large_body_is_read_and_so_is_it(server: Server) -> None:
    assert answered(ask(server, LARGE)) == (200, ANSWER)
    reading = aside(server)
    reading.suspend()
    asked = ask(server, LARGE)
    assert server.get("/health/live").status_code == 200
    assert server.predict({"inputs": {"x": [1.0]}}).json() == {"predictions": [{"y": 3.0, "factor": 3.0}]}
    assert answered(ask(server, LARGE)) == (429, _full())
    reading.resume()
    assert answered(asked) == (200, ANSWER)


def test_a_body_whose_reader_is_killed_is_read_by_another(server: Server) -> None:
    assert answered(ask(server, LARGE))[0] == 200
    reading = aside(server)
    reading.suspend()
    asked = ask(server, LARGE)
    reading.kill()
    assert answered(asked) == (200, ANSWER)
    assert aside(server) != reading
    assert server.wait("process aside died")["how"] == "killed by SIGKILL"


def test_a_body_whose_caller_leaves_is_read_no_further_and_the_next_is(server: Server) -> None:
    assert answered(ask(server, LARGE))[0] == 200
    reading = aside(server)
    reading.suspend()
    ask(server, LARGE).close()
    reading.wait(30)
    assert answered(ask(server, LARGE)) == (200, ANSWER)


def test_a_large_body_that_does_not_fit_is_refused_with_the_place(server: Server) -> None:
    status, problem = answered(ask(server, orjson.dumps({"inputs": {"x": [*X, "a secret"]}})))
    assert (status, problem["code"]) == (422, "invalid_inputs")
    assert f"inputs.x[{len(X)}]" in problem["detail"]
    assert "secret" not in problem["detail"]


@pytest.mark.e2e
def test_a_body_that_is_not_read_in_time_is_refused_and_the_next_is_read(repository: Repository) -> None:
    settings = {"http__max_rows": MOST_ROWS, "http__aside_processes": 1, "http__request_timeout_seconds": 15}
    with Server(repository.folder, repository.state, **settings).ready() as server:
        assert answered(ask(server, LARGE))[0] == 200
        aside(server).suspend()
        assert answered(ask(server, LARGE))[0] == 504
        assert answered(ask(server, LARGE)) == (200, ANSWER)


@pytest.mark.e2e
def test_the_processes_aside_die_with_the_server(repository: Repository) -> None:
    with Server(repository.folder, repository.state, http__max_rows=MOST_ROWS).ready() as server:
        assert answered(ask(server, LARGE))[0] == 200
        reading = aside(server)
        server.process.kill()
        reading.wait(10)


def _full() -> dict[str, Any]:
    told = f"the server holds {10 * MIB} bytes of requests, as many as it may: try again later"
    return {"title": "Too Many Requests", "status": 429, "code": "queue_full", "detail": told}


# 20 MB in each form, and what must be answered.

NESTED = [
    {"name": "reading", "type": "object", "required": True, "properties": {
        "place": {"type": "string", "required": True},
        "values": {"type": "array", "items": {"type": "double"}, "required": True},
    }}
]  # fmt: skip


def weigher(target: Path, inputs: Any = None, example: Any = None) -> Path:
    """The model that doubles tensors; with other inputs, the one that weighs the rows of frames."""
    shutil.copytree(ORACLE.with_name("weigher"), target)
    if inputs is not None:
        described = (target / "MLmodel").read_text().split("signature:")[0]
        (target / "MLmodel").write_text(f"{described}signature:\n  inputs: '{json.dumps(inputs)}'\n")
        (target / "serving_input_example.json").write_text(json.dumps(example))
    return target


@pytest.fixture(scope="module")
def three_models(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[Server]:
    folder, models = new_repository(tmp_path_factory.mktemp("large") / "repo"), tmp_path_factory.mktemp("models")
    promote(folder, state, oracle(models / "frame", 3), "frame")
    promote(folder, state, weigher(models / "tensor"), "tensor")
    example = {"dataframe_records": [{"reading": {"place": "roof", "values": [1.0, 2.5]}}]}
    promote(folder, state, weigher(models / "nested", NESTED, example), "nested")
    with Server(folder, state, http__max_rows=MOST_ROWS, http__request_timeout_seconds=120).ready() as one:
        yield one


def columns() -> tuple[str, Any, Any]:
    x = numbers(1_050_000)
    return "frame", {"inputs": {"x": x}}, [{"y": one * 3.0, "factor": 3.0} for one in x]


def records() -> tuple[str, Any, Any]:
    x = numbers(800_000)
    return "frame", {"dataframe_records": [{"x": one} for one in x]}, [{"y": one * 3.0, "factor": 3.0} for one in x]


def tensor() -> tuple[str, Any, Any]:
    rows = [numbers(30) for _ in range(35_000)]
    return "tensor", {"inputs": rows}, [[one * 2 for one in row] for row in rows]


def digits() -> tuple[str, Any, Any]:
    """Few bytes an item: the most items that so many bytes can hold."""
    rows = [[at % 10 for at in range(30)]] * 325_000
    return "tensor", {"inputs": rows}, [[at % 10 * 2.0 for at in range(30)]] * 325_000


def nested() -> tuple[str, Any, Any]:
    values = numbers(200)
    rows = [{"reading": {"place": f"roof {at}", "values": values}} for at in range(5_000)]
    return "nested", {"dataframe_records": rows}, [sum(values)] * 5_000


@pytest.mark.e2e
@pytest.mark.parametrize("form", [columns, records, tensor, digits, nested])
def test_health_is_answered_within_200_ms_while_20_mb_are_read_again_and_again(
    three_models: Server, form: Callable[[], tuple[str, Any, Any]], tmp_path: Path
) -> None:
    model, document, predictions = form()
    body = orjson.dumps(document)
    assert 18e6 < len(body) < 22e6
    (tmp_path / "body").write_bytes(body)
    times = []
    with subprocess.Popen([sys.executable, "-c", CLIENT, three_models.url, model, tmp_path], text=True) as client:
        connection = http.client.HTTPConnection(three_models.url.removeprefix("http://"), timeout=10)
        while client.poll() is None:
            began = time.perf_counter()
            connection.request("GET", "/health/live")
            assert connection.getresponse().read() == b'{"live":true}'
            times.append(time.perf_counter() - began)
        connection.close()
    assert client.returncode == 0
    assert orjson.loads((tmp_path / "answer").read_bytes()) == {"predictions": predictions}
    assert max(times) < SLOWEST_HEALTH_SECONDS, f"{len(times)} answers, the slowest in {max(times):.3f} s"


# In a process of its own, for it must not hold up the one that takes the time.
CLIENT = """
import sys, urllib.request
url, model, folder = sys.argv[1:]
body = open(f"{folder}/body", "rb").read()
for _ in range(3):
    request = urllib.request.Request(f"{url}/models/{model}/predict", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        whole = answer.read()
open(f"{folder}/answer", "wb").write(whole)
"""
