"""Every setting of the server, in one frozen object, grouped as the rooms are. Built once, in `__main__.py`.

From environment variables such as `PINION_BATCH__MAX_ROWS`; command-line options win. Unknown names and
impossible values are refused at start. Times are in seconds.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
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

from serve.artifact.trust import CommitPolicy
from serve.groups import cores
from serve.worker.confinement import Confinement, SandboxPolicy
from serve.worker.environment import EnvironmentPolicy

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


_AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


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
    """Most bytes of all bodies held at once; more are refused with 429. Holding them takes several times as much. So
    many of all answers that nobody reads are held, too; past it whoever has not read for longest is cut."""
    aside_processes: PositiveInt = 2
    """Processes that read and write large bodies, so that no other request waits; started when first needed."""
    max_rows: PositiveInt = 10_000
    """Most rows in one request."""
    request_timeout_seconds: PositiveFloat = 30.0
    """How long a request may take, waiting included; past it the caller gets 504. A caller may ask for less, never for
    more: by the header X-Request-Timeout, in seconds, by gRPC's deadline, or by the parameter timeout of v2."""
    max_connections: PositiveInt = 1000
    """Most connections at once; fewer where the process may not open as many files, of which it keeps some for itself.
    Where all places are taken, who comes takes that of whoever has asked for nothing yet and waits longest; where there
    is no such, who comes gets 503."""
    max_connections_per_ip: NonNegativeInt = 0
    """Most connections of one address, further ones get 503; 0 sets no limit. Behind a proxy all have its address."""
    header_timeout_seconds: PositiveFloat = 5.0
    """How long the headers of a request may take, from its first byte; and that byte, on a new connection."""
    body_timeout_seconds: PositiveFloat = 30.0
    """How long a body may take; a larger one, as long as http.min_body_rate comes in each such time. Else 408."""
    write_timeout_seconds: PositiveFloat = 30.0
    """How long a caller may leave its answer unread, or read less than http.min_body_rate of it; then it is cut."""
    min_body_rate: PositiveInt = 1024
    """Bytes a second, at least, of a body that comes and of an answer that goes, once they have had their time."""
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
    build_from_source: bool = False
    """Whether packages may be built from source, which runs what their authors wrote as they are installed. Without it
    environments are made of wheels alone."""
    sandbox: SandboxPolicy = SandboxPolicy.AUTO
    """auto: a model's process is confined as far as the kernel can, and the log and /models say what it can't;
    required: a release fails where the kernel has no Landlock or no seccomp; off: it may do what the server's user
    may."""
    network: bool = False
    """Whether models may use the network, and the machine's sockets."""
    readable: tuple[_AbsolutePath, ...] = ()
    """Files and folders that models may read beside their own, as in ["/srv/vocabulary"]."""
    writable: tuple[_AbsolutePath, ...] = ()
    """Files and folders that models may read and write beside their scratch folder."""


class ArtifactSettings(_Group):
    """Git, DVC, and what is kept on disk."""

    repo: Path = Path()
    """The git repository that holds models.dvc."""
    state: Path | None = None
    """Where snapshots and environments are kept; .pinion in the repository where it is not said."""
    keep_releases: NonNegativeInt = 3
    """Releases kept on disk beside those in use, the ones used last; a rollback to one of them pulls nothing."""
    remote: str | None = Field(default=None, min_length=1)
    """Where to pull from: a URL or a folder; or repository, to trust the url (with region and endpointurl) that the
    repository names. Without it, what DVC's own configuration of this machine says, or .dvc/config.local; of the
    repository's .dvc/config only a folder inside the repository is trusted."""
    max_bytes: PositiveInt = 32 * 2**30
    """Most bytes that a pin may ask to be pulled."""
    max_files: PositiveInt = 100_000
    """Most files that a pin may ask to be pulled."""
    pull_timeout_seconds: PositiveFloat = 600.0
    """How long a dvc pull may take."""
    stall_seconds: PositiveFloat = 30.0
    """A dvc pull that reads and writes less than a kilobyte a second for so long is stopped."""


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


class TrustSettings(_Group):
    """Whose word counts: signatures, commits, formats, packages."""

    keys: tuple[Path, ...] = ()
    """Public keys (PEM, elliptic curve). Where keys or certificates are named, every model must bear a signature by one
    of them, made by promote --sign; it is checked in the folder that is loaded."""
    certificates: tuple[Path, ...] = ()
    """Certificates of authorities (PEM), of whose certificates for signing the same holds."""
    commits: CommitPolicy = CommitPolicy.NONE
    """none; or verified: models.dvc is served only as a commit of HEAD, a branch or a tag has it whose signature
    verifies. A rollback to what was once signed is allowed."""
    allowed_signers: Path | None = None
    """Whose SSH signatures verify a commit: an allowed signers file of ssh-keygen. Without it, OpenPGP signatures do,
    by keys that the server's user trusts at least marginally."""
    revoked_signers: Path | None = None
    """SSH keys whose signatures count no more: a revocation list of ssh-keygen, or a file of public keys."""
    allow_pickle: bool = True
    """Whether models may hold pickles, which run what they name as they are loaded. Plain Python runs as well: this is
    about formats, and no sandbox."""
    require_hashes: bool = False
    """Whether environments are made of exactly the packages whose hashes were recorded at promotion, and never the
    server's own."""

    @model_validator(mode="after")
    def _signers_have_commits(self) -> "TrustSettings":
        if (self.allowed_signers or self.revoked_signers) and self.commits is CommitPolicy.NONE:
            raise ValueError("allowed_signers and revoked_signers say nothing unless trust.commits is verified")
        if self.revoked_signers and not self.allowed_signers:
            raise ValueError("revoked_signers needs allowed_signers: both are of SSH keys")
        return self


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
    def confinement(self) -> Confinement:
        """How the models' processes are confined."""
        worker = self.worker
        return Confinement(worker.sandbox, worker.network, worker.readable, worker.writable)

    @property
    def threads(self) -> int:
        """Threads for each worker."""
        return self.worker.threads or max(1, cores() // self.worker.count)
