"""A proxy that puts a server below a path, as many do. It can be cut off: then it hangs up on whoever asks; and told to
answer some paths itself."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

_OWN = {"connection", "content-length", "content-encoding", "transfer-encoding", "keep-alive", "host"}


class Proxy(ThreadingHTTPServer):
    """Listens on a free port; `path` ends in a slash."""

    def __init__(self, target: str, path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.path, self.is_cut = path, False
        self.own: dict[str, tuple[int, dict[str, str], str]] = {}  # status, headers and body, by path
        self.client = httpx.Client(base_url=target, timeout=60.0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.path}"


class _Passing(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        if self.server.is_cut:
            self.close_connection = True
            return
        if not self.path.startswith(self.server.path):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.removeprefix(self.server.path) in self.server.own:
            self._answer_itself(*self.server.own[self.path.removeprefix(self.server.path)])
            return
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
        path = "/" + self.path.removeprefix(self.server.path)
        answer = self.server.client.request(self.command, path, content=body, headers=kept)
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in _OWN:
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET  # noqa: N815  # the standard library's own word

    def _answer_itself(self, status: int, headers: dict[str, str], text: str) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "content-length": str(len(text.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the server's own log says what was asked."""


@contextlib.contextmanager
def proxy(target: str, path: str) -> Iterator[Proxy]:
    """One before `target`, closed in the end."""
    with Proxy(target, path) as one:
        serving = threading.Thread(target=one.serve_forever)
        serving.start()
        try:
            yield one
        finally:
            one.shutdown()
            serving.join()
            one.client.close()
