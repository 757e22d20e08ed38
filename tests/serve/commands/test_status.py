"""What `serve status` says of servers that are not ready, do not let it in, or are none; and over TLS."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serve.commands.drawn.status import drawn
from serve.commands.server import Target, Unanswered
from tests.certificates import Authority
from tests.serve.commands.test_commands import serve

MODEL = {
    "digest": "sha256:" + "a" * 64,
    "revision": "b" * 40,
    "run": "r1",
    "since": "2026-01-01T00:00:00+00:00",
    "metrics": {},
    "python": "3.11",
    "workers": [{"state": "dead", "pid": None}],
}
FAILURE = {"code": "pull_failed", "message": "no remote", "at": "2026-01-01T00:00:00+00:00"}
ATTEMPT = {
    "began": "2026-01-01T00:00:00+00:00",
    "models": {"a": "sha256:c"},
    "revision": "c" * 40,
    "steps": [{"step": "pull", "seconds": 2.0}],
    "outcome": "pull_failed",
    "reason": "no remote",
    "tries": 3,
    "since": "2026-01-01T00:00:00+00:00",
}
NOT_READY: dict[str, tuple[int, Any]] = {
    "/health/ready": (503, {"ready": False, "stopping": False, "models": {"a": {"reason": "no worker (killed)"}}}),
    "/models": (
        200,
        {
            "models": {"a": MODEL},
            "desired": {"a": "2"},
            "live": {"a": "1"},
            "held": None,
            "release": None,
            "failure": FAILURE,
        },
    ),
    "/rollouts": (200, {"attempts": [ATTEMPT], "doing": {"step": "pull", "told": "3 MB", "progress": "1 of 3 MB"}}),
    "/metrics": (200, ""),
}


class FakeServer(ThreadingHTTPServer):
    """Answers what it was given, by path; else 404. `asked` are the tokens that it was shown."""

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked = answers, list[str | None]()


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_GET(self) -> None:  # as http.server has it
        self.server.asked.append(self.headers["authorization"])
        status, body = self.server.answers.get(self.path, (404, {"detail": "no such path"}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(answers: dict[str, tuple[int, Any]], context: ssl.SSLContext | None = None) -> Iterator[FakeServer]:
    with FakeServer(answers) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


def asked(server: FakeServer, *words: str, **variables: str) -> Any:
    return serve("status", "--seconds", "0", *words, PINION_URL=f"http://127.0.0.1:{server.server_port}", **variables)


def test_a_server_that_is_not_ready_is_told_whole_with_code_1() -> None:
    with answering(NOT_READY) as server:
        done, told = asked(server), asked(server, "--json")
    assert (done.exit_code, told.exit_code) == (1, 1)
    for words in (
        "✗ not ready",
        "✗ no worker (killed)",
        "… pull: 3 MB 1 of 3 MB",
        "✗ what git asks for is not live: pull_failed no remote",
        "1 dead",
        "pull_failed in 3 tries: no remote",
    ):
        assert words in done.stdout
    found = json.loads(told.stdout)
    assert (found["ready"], found["models"]["a"]["workers"], found["failure"]) == (False, {"dead": 1}, FAILURE)


def test_who_is_not_let_in_is_told_what_to_show_with_code_2() -> None:
    refusal = {path: (401, {"detail": "this needs a key"}) for path in NOT_READY if path != "/health/ready"}
    with answering(NOT_READY | refusal) as server:
        done = asked(server)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "answered 401 (this needs a key); give a key with --api-key, or as PINION_API_KEY" in done.stderr


def test_the_key_is_shown_as_a_bearer_token_and_in_no_output() -> None:
    with answering(NOT_READY) as server:
        done = asked(server, PINION_API_KEY="secret")
        assert set(server.asked) == {"Bearer secret"}
    assert "secret" not in done.output


def test_without_the_scope_for_metrics_all_else_is_told() -> None:
    with answering(NOT_READY | {"/metrics": (403, {})}) as server:
        done = asked(server)
    assert "/metrics answered 403: the key needs the scope metrics" in done.stdout


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"/health/ready": (200, "<html>")}, "is it a server of Pinion's?"),
        ({"/health/ready": (200, {"ready": True, "stopping": False})}, "ask its control port"),
        ({"/health/ready": (500, "")}, "answered 500"),
    ],
)
def test_what_is_no_server_of_ours_is_said_with_code_2(answers: dict[str, tuple[int, Any]], told: str) -> None:
    with answering(answers) as server:
        done = asked(server)
    assert (done.exit_code, told in done.stderr, len(done.stderr.splitlines())) == (2, True, 1)


def test_a_server_is_known_by_its_authority_or_by_its_very_certificate_and_else_not_trusted(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("server").write(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    other, _ = authority.issue("other").write(tmp_path, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(NOT_READY, context) as server:
        url = f"https://127.0.0.1:{server.server_port}"
        assert Target(url, ca=tmp_path / "ca.pem").json("/health/ready", 503)["ready"] is False
        assert Target(url, certificate=certificate).get("/metrics")[0] == 200
        for stranger in (Target(url), Target(url, certificate=other)):
            with pytest.raises(Unanswered, match="no certificate that is trusted here"):
                stranger.get("/metrics")


def test_a_server_that_stops_answering_is_told_in_its_place() -> None:
    assert "✗ no server answers" in str(drawn({"unanswered": "no server answers at x"}))
