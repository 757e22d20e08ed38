"""Settings of who watches requests: traces and recordings. Both are off where nothing is said."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from serve.settings.group import Group

Ratio = Annotated[float, Field(ge=0, le=1)]


class TracesSettings(Group):
    """Traces of requests, by OpenTelemetry; for them install pinion-serve[tracing]."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://")
    """Where to send traces by OTLP over HTTP, as in http://localhost:4318; off where it is not said. What else there is
    to say, such as headers for a collector, OpenTelemetry's own variables do (OTEL_EXPORTER_OTLP_HEADERS,
    OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES)."""
    ratio: Ratio = 0.01
    """Share of the requests that are traced; of those whose caller sent a traceparent, the ones it samples."""
    max_waiting_spans: PositiveInt = 4096
    """Most spans that wait to be sent; more are dropped, and counted."""


class RecordSettings(Group):
    """Recordings of predictions: what was asked and answered, as Parquet. They hold what callers send."""

    folder: Path | None = None
    """Folder for the files; off where none is named. A file is whole once it has its name, and its owner's alone."""
    ratio: Ratio = 1.0
    """Share of the predictions that are recorded."""
    max_bytes: PositiveInt = 2**30
    """Most bytes of all files; the oldest is removed for a new one."""
    file_bytes: PositiveInt = 32 * 2**20
    """Size from which on a file is complete, and another begins."""
    file_seconds: PositiveFloat = 60.0
    """How long a file is written to, at most."""
    max_body_bytes: PositiveInt = 2**20
    """Largest body, asked or answered, that is recorded; predictions of larger ones are left out, and counted."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 2 * self.file_bytes > self.max_bytes:
            raise ValueError(
                "max_bytes must be at least twice file_bytes: one file is complete while another is written"
            )
        return self
