"""A collector of traces: takes OTLP over HTTP, remembers the spans, and fails or hangs where it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """On a free port, at `endpoint`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, Any] = {}
        self.requests = 0
        self.fails, self.lets = False, threading.Event()
        self.lets.set()
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait(self, count: int, seconds: float = 30.0) -> list[Span]:
        """The spans, as soon as there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.spans) >= count, seconds), self.spans
            return list(self.spans)

    def asked(self, count: int, seconds: float = 30.0) -> None:
        """Wait until it was asked so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= count, seconds), self.requests

    def named(self, name: str) -> list[Span]:
        return [one for one in self.spans if one.name == name]

    def take(self, body: bytes) -> None:
        asked = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            for group in asked.resource_spans:
                self.resource = attributes(group.resource)
                self.spans.extend(span for scope in group.scope_spans for span in scope.spans)
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with collector._changed:
                    collector.requests += 1
                    collector._changed.notify_all()
                collector.lets.wait(60)
                right = self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
                if right and not collector.fails:
                    collector.take(body)
                self.send_response(200 if right and not collector.fails else 400)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: Any) -> None:
                """It is not asked for."""

        return Handler


@contextmanager
def collecting() -> Iterator[Collector]:
    """One that listens until the block ends."""
    one = Collector()
    thread = threading.Thread(target=one._server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield one
    finally:
        one.lets.set()
        one._server.shutdown()
        one._server.server_close()
        thread.join()


def attributes(of: Any) -> dict[str, Any]:
    """Those of a span or a resource."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}
