"""Settings of the doors: what they listen on and take, and who may ask."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from serve.settings.group import Group

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class HttpSettings(Group):
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


class AuthSettings(Group):
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
    scopes: dict[str, Literal["predict", "metrics", "admin"]] = Field(
        default={"pinion:predict": "predict", "pinion:metrics": "metrics", "pinion:admin": "admin"}
    )
    """The words of that claim that grant something, and what."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.issuer is None) != (self.audience is None):
            raise ValueError("issuer and audience need each other")
        return self
