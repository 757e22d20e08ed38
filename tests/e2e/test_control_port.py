"""The control port: everything is there, little is left on the other, and it tells of the end until the end (E-13)."""

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import TIMED, within

PLACES = 24
BEGUN = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n"
NAP = {"inputs": {"x": [2.0], "fault": ["nap:2"]}}


@pytest.fixture
def server(promoted: Repository) -> Iterator[Server]:
    promoted.checkout(1)
    with Server(promoted.folder, promoted.state, http__control_port=0, http__max_connections=PLACES) as one:
        yield one.ready()


def control(server: Server) -> str:
    return str(server.wait("listening for control")["url"])


def test_the_control_port_has_all_routes_and_the_log_names_its_page(server: Server) -> None:
    base = control(server)
    assert server.wait("listening")["console"] == f"{base}/"
    paths = httpx.get(f"{base}/openapi.json").json()["paths"]
    assert {"/metrics", "/models", "/health/ready", "/models/oracle/predict"} <= set(paths)
    assert httpx.post(f"{base}/predict", json={"inputs": {"x": [1.0]}}).status_code == 200
    assert server.predict({"inputs": {"x": [1.0]}}).status_code == 200
    lost = server.get("/metrics")
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
    assert lost.json()["detail"].endswith("/docs of the control port")
    assert 'outcome="ok"' in httpx.get(f"{base}/metrics").text


@TIMED
def test_e3_it_answers_at_once_where_the_other_port_has_no_place_left(server: Server) -> None:
    """Each place is taken by a request whose body does not come: who only connects would have to give way."""
    base, url = control(server), httpx.URL(server.url)
    with ExitStack() as taken:
        for _ in range(PLACES):
            one = taken.enter_context(socket.create_connection((url.host, url.port or 0)))
            one.sendall(BEGUN)
        while f"pinion_connections {PLACES}.0\n" not in httpx.get(f"{base}/metrics").text:
            continue  # who comes before they are all there would have one give way
        turned_away = server.get("/health/ready")
        assert turned_away.status_code == 503
        assert turned_away.json()["code"] == "too_many_connections"
        began = time.monotonic()
        assert httpx.get(f"{base}/health/ready").status_code == 200
        assert time.monotonic() - began < within(1.0)


def test_it_tells_of_the_end_while_the_other_port_lets_nobody_in_any_more(server: Server) -> None:
    base = control(server)
    with ThreadPoolExecutor() as threads, httpx.Client(base_url=base) as kept:
        assert kept.get("/health/ready").status_code == 200
        napping = threads.submit(server.predict, NAP)
        while not httpx.get(f"{base}/metrics").text.count("pinion_requests_in_flight 1.0"):
            continue
        server.process.send_signal(signal.SIGTERM)
        server.wait("stopping")
        while _is_open(server):
            continue
        told = httpx.get(f"{base}/health/ready")
        assert (told.status_code, told.json()["stopping"]) == (503, True)
        assert "pinion_requests_in_flight 1.0" in httpx.get(f"{base}/metrics").text
        assert napping.result().status_code == 200
    assert server.process.wait(30) == 0


def test_a_prediction_that_came_by_it_is_answered_before_the_end(server: Server) -> None:
    base = control(server)
    with ThreadPoolExecutor() as threads:
        napping = threads.submit(httpx.post, f"{base}/predict", json=NAP, timeout=30)
        while not httpx.get(f"{base}/metrics").text.count("pinion_requests_in_flight 1.0"):
            continue
        server.process.send_signal(signal.SIGTERM)
        assert napping.result().json()["predictions"][0]["y"] == 6.0
    assert server.process.wait(30) == 0


def _is_open(server: Server) -> bool:
    try:
        httpx.get(f"{server.url}/health/live")
    except httpx.TransportError:
        return False
    return True
