"""Every setting of the server, in one frozen object, grouped as the rooms are. Built once, in `__main__.py`.

From environment variables such as `PINION_BATCH__MAX_ROWS`; command-line options win. Unknown names and
impossible values are refused at start. Times are in seconds.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from serve.groups import cores
from serve.worker.environment import EnvironmentPolicy

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class HttpSettings(_Group):
    """The HTTP door."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; 0.0.0.0 for all, behind a network you trust."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one, and the log says which."""
    grpc_port: int | None = Field(default=None, ge=0, le=65535)
    """Port for the Open Inference Protocol over gRPC, off where none is named; 0 takes a free one, as above."""
    max_body_bytes: PositiveInt = 32 * 2**20
    """Largest request body."""
    max_held_bytes: PositiveInt = 256 * 2**20
    """Most bytes of all bodies held at once; more are refused with 429. Holding them takes several times as much."""
    aside_processes: PositiveInt = 2
    """Processes that read and write large bodies, so that no other request waits; started when first needed."""
    max_rows: PositiveInt = 10_000
    """Most rows in one request."""
    request_timeout_seconds: PositiveFloat = 30.0
    """How long a request may take, waiting included; past it the caller gets 504. A caller may ask for less, never for
    more: by the header X-Request-Timeout, in seconds, by gRPC's deadline, or by the parameter timeout of v2."""
    drain_delay_seconds: NonNegativeFloat = 0.0
    """How long a server told to stop goes on taking requests while it says it is not ready: as long as it may take
    whoever sends requests to see that."""
    tls_certificate: Path | None = None
    """File of the server's certificate with its chain, in PEM: HTTPS, and TLS for gRPC. A renewed one is used within
    seconds, and no connection is dropped for it."""
    tls_key: Path | None = None
    """File of its private key, unencrypted; where it is not said, the certificate's file holds it too."""
    tls_client_ca: Path | None = None
    """File of the authorities that must have signed a client's certificate: mutual TLS, and nobody else can connect."""
    control_port: int | None = Field(default=None, ge=0, le=65535)
    """Port for whoever runs the server, which has all routes; the other then has none that only tell: no /metrics,
    /models, /docs, /openapi.json or /. Off where none is named; 0 takes a free one."""
    control_host: str = Field(default="127.0.0.1", min_length=1)
    """Address that the control port listens on."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.tls_certificate is None and (self.tls_key or self.tls_client_ca):
            raise ValueError("tls_key and tls_client_ca need a tls_certificate")
        return self


class AuthSettings(_Group):
    """Who may ask. Where neither keys nor an issuer are named, whoever can connect may."""

    keys: Path | None = None
    """File of the API keys that are let in, one a line, as `serve key new` makes them; it is followed as it changes."""
    issuer: str | None = Field(default=None, pattern=r"^https?://")
    """Address of an OpenID Connect issuer whose tokens (JWT) are let in; its keys are found by discovery."""
    audience: str | None = Field(default=None, min_length=1)
    """What those tokens must name as their audience."""
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256", "EdDSA"), min_length=1)
    """How those tokens may be signed."""
    scope_claim: str = Field(default="scope", min_length=1)
    """The claim of those tokens that says what they grant: words in one text, or a list of them."""
    scopes: dict[str, Literal["predict", "metrics", "admin"]] = {
        "pinion:predict": "predict",
        "pinion:metrics": "metrics",
        "pinion:admin": "admin",
    }
    """The words of that claim that grant something, and what."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.issuer is None) != (self.audience is None):
            raise ValueError("issuer and audience need each other")
        return self


class BatchSettings(_Group):
    """Waiting and batching."""

    max_rows: PositiveInt = 256
    """Most rows in one batch, where the model's own cost by size, which is measured, does not ask for fewer."""
    max_seconds: PositiveFloat | None = None
    """How long a batch may take the model, by what was measured; without it, whatever gives the most rows a second."""
    max_waiting_rows: PositiveInt = 100_000
    """Most rows waiting for a model's workers; more are refused with 429."""
    max_waiting_seconds: PositiveFloat | None = None
    """How long a request may wait for a worker; one that would wait longer, by what was measured, is refused with 429
    at once. Without it, three quarters of the time that the request has."""


class WorkerSettings(_Group):
    """The model's processes."""

    count: PositiveInt = 1
    """Workers for each model."""
    threads: NonNegativeInt = 0
    """Threads a worker may compute with; 0 shares the cores that the server may use, by its affinity and its
    control group, among a model's workers."""
    devices: tuple[Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")], ...] = ()
    """Devices that workers take in turn, as in ["cuda:0", "cuda:1"], or ["cpu"]; none: MLflow chooses."""
    environment: EnvironmentPolicy = EnvironmentPolicy.AUTO
    """auto: the server's own environment where it satisfies the recipe exactly, else one of its own; or isolated."""
    load_timeout_seconds: PositiveFloat = 120.0
    """How long a model may take to load."""
    predict_timeout_seconds: PositiveFloat | None = None
    """How long a batch may take the model; past it the worker is stuck and replaced, and the batch's requests are tried
    once more, each alone. Where it is not said, half of http.request_timeout_seconds."""
    heartbeat_seconds: PositiveFloat = 2.0
    """How often an idle worker is asked whether it is there; silent for as long again, it is replaced."""
    max_memory_bytes: PositiveInt | None = None
    """Memory past which a worker is replaced, by one that loads before it leaves: there must be room for both."""
    max_answer_bytes: PositiveInt = 256 * 2**20
    """Largest answer of a model; the request of a larger one fails."""
    build_timeout_seconds: PositiveFloat = 1800.0
    """How long making an environment may take."""


class ArtifactSettings(_Group):
    """Git, DVC, and what is kept on disk."""

    repo: Path = Path()
    """The git repository that holds models.dvc."""
    state: Path | None = None
    """Where snapshots and environments are kept; .pinion in the repository where it is not said."""
    keep_releases: NonNegativeInt = 3
    """Releases kept on disk beside those in use, the ones used last; a rollback to one of them pulls nothing."""
    pull_timeout_seconds: PositiveFloat = 600.0
    """How long a dvc pull may take."""


class RolloutSettings(_Group):
    """Going live."""

    default_model: str | None = None
    """The model that /predict means where several are live."""
    watch_interval_seconds: PositiveFloat = 0.25
    """How often models.dvc is looked at."""
    golden_timeout_seconds: PositiveFloat = 120.0
    """How long one golden request may take."""
    hold_seconds: NonNegativeFloat = 30.0
    """How long the release before is held warm, to fall back to; until then both take memory. 0: it is not held."""
    fall_back_after: PositiveInt = 3
    """At how many deaths of its workers a new release falls back to the one held, until git changes."""
    drain_timeout_seconds: PositiveFloat = 30.0
    """How long an old release, or a server told to stop, may finish what it took."""
    first_retry_seconds: PositiveFloat = 2.0
    """Pause before a failed release is tried again; doubles each time."""
    longest_retry_seconds: PositiveFloat = 60.0
    """Longest such pause."""


class Settings(BaseSettings):
    """All of it."""

    model_config = SettingsConfigDict(
        env_prefix="PINION_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    batch: BatchSettings = BatchSettings()
    worker: WorkerSettings = WorkerSettings()
    artifact: ArtifactSettings = ArtifactSettings()
    rollout: RolloutSettings = RolloutSettings()
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """debug, info, warning or error."""

    @property
    def repo(self) -> Path:
        return self.artifact.repo.resolve()

    @property
    def state(self) -> Path:
        return (self.artifact.state or self.repo / ".pinion").resolve()

    @property
    def predict_timeout_seconds(self) -> float:
        """How long a batch may take the model."""
        return self.worker.predict_timeout_seconds or self.http.request_timeout_seconds / 2

    @property
    def threads(self) -> int:
        """Threads for each worker."""
        return self.worker.threads or max(1, cores() // self.worker.count)
