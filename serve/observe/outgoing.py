"""Spans on their way to a collector: a bounded queue, and a thread that sends what waits there.

OpenTelemetry's own processor counts nowhere what it drops, and says so in the log again and again. A collector that
can't be reached costs spans, which are counted, and two lines of the log: as it begins and as it is over.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger()

_PATH = "/v1/traces"
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 1.0
_AT_ONCE = 512
_LAST_SECONDS = 2.0  # in which what waits is sent as the server ends


class Outgoing(SpanProcessor):
    """At most `most` spans wait for `exporter`; how many more there were is told to `dropped`.

    Spans are put in by the event loop, and taken by the thread.
    """

    def __init__(self, exporter: SpanExporter, most: int, dropped: Callable[[int], object]) -> None:
        self._exporter, self._most, self._dropped = exporter, most, dropped
        self._waiting = deque[ReadableSpan]()
        self._stir = threading.Event()
        self._is_over, self._fails = False, False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is sent before it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        if len(self._waiting) >= self._most:
            self._dropped(1)
            return
        self._waiting.append(span)
        if len(self._waiting) >= _AT_ONCE:
            self._stir.set()

    def shutdown(self) -> None:
        """Send what waits, within a moment. It blocks."""
        self._is_over = True
        self._stir.set()
        self._thread.join(_LAST_SECONDS)
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self._stir.set()
        return True

    def _run(self) -> None:
        """The thread."""
        while not self._is_over or self._waiting:
            if not self._is_over:
                self._stir.wait(_PAUSE_SECONDS)
                self._stir.clear()
            while self._waiting:
                self._send([self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))])

    def _send(self, spans: list[ReadableSpan]) -> None:
        try:
            sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:  # of the library: a span lost is no reason to lose the next
            log.exception("traces could not be written")
            sent = False
        if not sent:
            self._dropped(len(spans))
        if sent == self._fails:
            self._fails = not sent
            log.info("traces are taken again") if sent else log.warning("traces are not taken: the collector fails")


def to_collector(endpoint: str, most: int, dropped: Callable[[int], object]) -> Outgoing:
    """To a collector that takes OTLP over HTTP at `endpoint`; OpenTelemetry's own variables say what more there is."""
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # it is said here, once
    address = endpoint.rstrip("/")
    traces = address if address.endswith(_PATH) else address + _PATH
    return Outgoing(OTLPSpanExporter(endpoint=traces, timeout=_PATIENCE_SECONDS), most, dropped)
