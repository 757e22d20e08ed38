"""A store over HTTP that may be at fault: a remote of DVC, the artifacts of MLflow, or an MLflow that answers oddly."""

import json
import posixpath
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LISTING = "/mlflow-artifacts/artifacts"


@dataclass
class HttpStore:
    """What it holds by path. `fault` is how it treats every path that ends with `spoiled`; see `Handler`."""

    url: str = ""
    held: dict[str, bytes] = field(default_factory=dict)
    fault: str = ""
    spoiled: str = ""
    asked: threading.Event = field(default_factory=threading.Event)  # for something that is spoiled
    closing: threading.Event = field(default_factory=threading.Event)

    def listing(self, folder: str) -> bytes:
        """What MLflow's own proxy of artifacts says of a folder."""
        found: dict[str, dict[str, object]] = {}
        for path, data in self.held.items():
            name, _, below = path.removeprefix(f"{folder}/").partition("/")
            if path.startswith(f"{folder}/"):
                found[name] = {"path": name, "is_dir": True} if below else _file(name, len(data))
        return json.dumps({"files": list(found.values())}).encode()


def _file(name: str, size: int) -> dict[str, object]:
    return {"path": name, "is_dir": False, "file_size": size}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: HttpStore

    def do_PUT(self) -> None:
        fault = self._fault()
        if fault == "cuts":
            self.rfile.read(1)
            return self._cut()
        data = self._body()
        if fault == "refuses":
            return self._answer(500, b"")
        if fault != "forgets":
            self.store.held[self._path()] = data[: len(data) // 2] if fault == "keeps half" else data
        self._answer(200, b"")

    def do_GET(self) -> None:
        fault, data = self._fault(), self._found()
        if fault == "hangs":
            self.store.closing.wait()
            self._cut()
        elif fault == "trickles":
            self._trickle()
        elif fault == "refuses":
            self._answer(500, b"")
        elif fault == "answers in HTML":
            self._answer(200, b"<!DOCTYPE html><title>Sign in</title>\n", kind="text/html")
        elif data is None or fault == "has lost it":
            self._answer(404, b"")
        elif fault == "gives half":
            self._answer(200, data[: len(data) // 2], len(data))
            self._cut()
        elif fault == "calls half the whole":
            self._answer(200, data[: len(data) // 2])
        elif fault == "gives another":
            self._answer(200, bytes(len(data)))
        else:
            self._answer(200, data)

    do_HEAD = do_POST = do_GET  # noqa: N815  http.server finds them by these names

    def _fault(self) -> str:
        """How this request is to be treated; '' where as it should be."""
        if not self.store.fault or not self._path().endswith(self.store.spoiled):
            return ""
        self.store.asked.set()
        return self.store.fault

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _found(self) -> bytes | None:
        query = parse_qs(urlsplit(self.path).query)
        if self._path().endswith(LISTING) and "path" in query:
            return self.store.listing(posixpath.join(self._path(), query["path"][0]))
        return self.store.held.get(self._path())

    def _body(self) -> bytes:
        """DVC sends chunks, and does not say how many."""
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, data: bytes, size: int | None = None, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if size is None else size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _trickle(self) -> None:
        """A byte every tenth of a second, for as long as anybody reads."""
        self._answer(200, b"", 10**6)
        try:
            while not self.store.closing.wait(0.1):
                self.wfile.write(b" ")
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """It tells nothing."""


@contextmanager
def http_store() -> Iterator[HttpStore]:
    """One that listens on this machine until the end of the block."""
    store = HttpStore()
    handler = type("HandlerOfThisStore", (Handler,), {"store": store})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        store.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield store
        finally:
            store.closing.set()
            server.shutdown()
            thread.join()
