"""A part of the composition root: builds those who watch requests, and opens and closes them with the server.

What they need is imported only where they are on: OpenTelemetry's SDK takes memory that most servers never need.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI

from serve.access.gate import Gate
from serve.front.ways import Templates
from serve.metrics import Metrics
from serve.observe.access_log import AccessLog
from serve.observe.watch import Watch, Watcher
from serve.settings import RecordSettings, Settings, TracesSettings


class Observers:
    """Those that the settings ask for."""

    def __init__(self, settings: Settings, metrics: Metrics, release: str) -> None:
        self._watchers, self._closing = list[Watcher](), list[Callable[[], None]]()
        self._log = AccessLog() if settings.log_requests else None
        self._most_bytes = settings.record.max_body_bytes
        if settings.traces.endpoint is not None:  # first, for the others name its traces
            self._trace(settings.traces, settings.traces.endpoint, metrics, release)
        if settings.record.folder is not None:
            self._record(settings.record, metrics)
        if self._log is not None:
            self._watchers.append(self._log)

    def watch(self, app: FastAPI, gate: Gate | None) -> Watch | None:
        """Who tells them of the requests of `app`; None where there is nobody to be told."""
        return Watch(self._watchers, Templates(app), gate, self._most_bytes) if self._watchers else None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """At the end, what they hold is written, within a moment or not at all."""
        try:
            yield
        finally:
            if self._log is not None:
                self._log.flush()
            await asyncio.gather(*(asyncio.to_thread(close) for close in self._closing))

    def _trace(self, settings: TracesSettings, endpoint: str, metrics: Metrics, release: str) -> None:
        from serve.observe import outgoing, traces

        out = outgoing.to_collector(endpoint, settings.max_waiting_spans, metrics.dropped_spans.inc)
        self._watchers.append(traces.Traces(out, settings.ratio, release))
        self._closing.append(out.shutdown)

    def _record(self, settings: RecordSettings, metrics: Metrics) -> None:
        from serve.observe import files, recorder

        assert settings.folder is not None
        bounds = files.Bounds(settings.max_bytes, settings.file_bytes, settings.file_seconds)
        folder = files.Files(settings.folder.resolve(), bounds)
        one = recorder.Recorder(folder, settings.ratio, settings.max_body_bytes, metrics)
        self._watchers.append(one)
        self._closing.append(one.close)
        one.start()
