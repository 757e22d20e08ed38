"""Every setting of the server, in one frozen object, grouped as the rooms are. Built once, in `__main__.py`.

From environment variables such as `PINION_BATCH__MAX_ROWS`; command-line options win. Unknown names and
impossible values are refused at start. Times are in seconds.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from serve.groups import cores
from serve.settings.doors import Algorithm, AuthSettings, HttpSettings
from serve.settings.observing import RecordSettings, TracesSettings
from serve.settings.releases import ArtifactSettings, RolloutSettings, TrustSettings
from serve.settings.work import BatchSettings, WorkerSettings
from serve.worker.confinement import Confinement

__all__ = [
    "Algorithm",
    "ArtifactSettings",
    "AuthSettings",
    "BatchSettings",
    "HttpSettings",
    "RecordSettings",
    "RolloutSettings",
    "Settings",
    "TracesSettings",
    "TrustSettings",
    "WorkerSettings",
]


class Settings(BaseSettings):
    """All of it."""

    model_config = SettingsConfigDict(
        env_prefix="PINION_", env_nested_delimiter="__", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    batch: BatchSettings = BatchSettings()
    worker: WorkerSettings = WorkerSettings()
    artifact: ArtifactSettings = ArtifactSettings()
    rollout: RolloutSettings = RolloutSettings()
    trust: TrustSettings = TrustSettings()
    traces: TracesSettings = TracesSettings()
    record: RecordSettings = RecordSettings()
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """debug, info, warning or error."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """json: an object a line; text: for people; auto: text on a terminal, else json."""
    log_requests: bool = False
    """Whether each request has a line in the log: method, route, status, bytes, seconds, model, revision, rows, the
    request's id and the id of its caller's key. Never a body, a query or a token."""

    @property
    def repo(self) -> Path:
        """Absolute, but a link stays one: git-sync and its kind have it lead elsewhere for each new commit."""
        return self.artifact.repo.absolute()

    @property
    def state(self) -> Path:
        return (self.artifact.state or self.repo / ".pinion").resolve()

    @property
    def predict_timeout_seconds(self) -> float:
        """How long a batch may take the model."""
        return self.worker.predict_timeout_seconds or self.http.request_timeout_seconds / 2

    @property
    def confinement(self) -> Confinement:
        """How the models' processes are confined."""
        worker = self.worker
        return Confinement(worker.sandbox, worker.network, worker.readable, worker.writable)

    @property
    def threads(self) -> int:
        """Threads for each worker."""
        return self.worker.threads or max(1, cores() // self.worker.count)
