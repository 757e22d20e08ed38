"""A server that asks who is there: its keys, its issuer, and the ways to ask it, in every protocol."""

import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import httpx

from tests.e2e.server import Server
from tests.e2e.test_command import run
from tests.issuer import Issuer

BODY = {"inputs": {"x": [1.0]}}


class Guarded:
    """The server, its keys, its issuer; and who knows its tokens."""

    def __init__(self, server: Server, file: Path, tokens: dict[str, str], issuer: Issuer) -> None:
        self.server, self.file, self.tokens, self.issuer = server, file, tokens, issuer
        self.data, self.control = server.url, str(server.wait("listening for control")["url"])
        self.grpc = str(server.wait("listening for gRPC")["address"])

    def bearer(self, id_: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[id_]}"}

    def predict(self, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.data}/predict", json=BODY, headers=headers)


def new_key(file: Path, id_: str, *scopes: str) -> str:
    """A key as a person makes one."""
    done = run("key", "new", id_, *(word for scope in scopes for word in ("--scope", scope)), "--file", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def raw(base: str, method: str, target: str, headers: dict[str, str]) -> int:
    """The status of a request whose target is sent as it stands."""
    host, port = base.removeprefix("http://").split(":")
    lines = [
        f"{method} {target} HTTP/1.1",
        "host: here",
        "connection: close",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    with closing(socket.create_connection((host, int(port)), 10)) as caller:
        caller.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(caller.recv(65536).split()[1])


def code(channel: grpc.Channel, name: str, asked: Any, headers: dict[str, str]) -> str:
    written = asked if isinstance(asked, bytes) else asked.SerializeToString()
    call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
    try:
        call(written, metadata=tuple(headers.items()), timeout=30)
    except grpc.RpcError as error:
        return str(error.code().name)  # type: ignore[attr-defined]  # grpc's own annotations leave it out
    return "OK"


def seconds_until(happens: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not happens():
        assert time.monotonic() - began < 60
    return time.monotonic() - began
