"""The command `serve`: binds its ports, builds the rooms, serves until SIGTERM or SIGINT. One process."""

import contextlib
import functools
import gc
import importlib.util
import os
import socket
import time
from collections.abc import Iterator, Sequence

import structlog
import uvicorn
from fastapi import FastAPI

from serve import admission
from serve import app as composition
from serve import log as logging
from serve.access.access import Access
from serve.access.documents import is_loopback
from serve.attempts import Attempts
from serve.commands import account, given
from serve.commands.ending import leave
from serve.errors import AccessUnreadable, SocketUnusable
from serve.front.crowd import Crowd
from serve.front.door import Door, Outbox, Ways
from serve.front.routes import without_control
from serve.front.server import Control, Server
from serve.front.standing import settled
from serve.settings import Settings
from serve.shutdown import Shutdown
from serve.systemd import Systemd, taken

log = structlog.get_logger()

_CONNECTIONS_A_TURN = 16  # let in by the event loop, which takes one of each listener: a crowd would wait for seconds
_OPEN = (
    "whoever reaches this server may predict, read metrics and see what its models are: "
    "set PINION_AUTH__KEYS, or PINION_HTTP__TLS_CLIENT_CA for mutual TLS"
)
_TRACING = "opentelemetry.exporter.otlp.proto.http"
_LAST_ANSWERS_SECONDS = 0.5  # to be written, once the time of a shutdown is over


def serve(settings: Settings) -> None:
    """Serve by these settings until a signal comes, and drain then."""
    logging.configure(settings.log_level, settings.log_format)
    given.pin(settings)
    require_trusted(settings)
    _require_tracing(settings)
    systemd = _systemd()
    access = _access(settings, systemd)
    listeners = systemd.front or (_listen(settings.http.host, settings.http.port),)
    if settings.http.grpc_port is not None:  # bound for good once the event loop runs; here it is only tried
        _listen(settings.http.host, settings.http.grpc_port).close()
    port = settings.http.control_port
    ours = (_listen(settings.http.control_host, port),) if port is not None and not systemd.control else ()
    _run(settings, access, listeners, next(iter(systemd.control or ours), None), systemd)


def require_trusted(settings: Settings) -> None:
    """What is to be trusted must be there to be asked, or no release would ever go live."""
    trust = composition.make_trust(settings)
    for path in (*trust.keys, *trust.certificates, trust.allowed_signers, trust.revoked_signers):
        if path is not None and not os.access(path, os.R_OK):
            leave(f"{path}, which the trust settings name, can't be read", 2)
    if trust.signed and importlib.util.find_spec("model_signing") is None:
        leave("trust.keys and trust.certificates need model-signing: pip install 'pinion-serve[signing]'", 2)


def _require_tracing(settings: Settings) -> None:
    """What traces need is an extra."""
    if settings.traces.endpoint is None:
        return
    try:
        known = importlib.util.find_spec(_TRACING) is not None
    except ModuleNotFoundError:  # what it is in is not there
        known = False
    if not known:
        leave("traces.endpoint needs OpenTelemetry: pip install 'pinion-serve[tracing]'", 2)


@contextlib.contextmanager
def state(settings: Settings) -> Iterator[None]:
    """The rooms are built: nothing but the state folder can keep them from that."""
    try:
        yield
    except OSError as error:
        told = f"can't use the state folder {settings.state}: {error.strerror}"
        leave(f"{told}; name another as PINION_ARTIFACT__STATE", 1)


def _systemd() -> Systemd:
    """What systemd hands over, if it started us."""
    try:
        return taken()
    except SocketUnusable as error:
        leave(error.message, 2)


def _access(settings: Settings, systemd: Systemd) -> Access:
    """Who is let in; one warning where that is everybody."""
    try:
        access = admission.make_access(settings)
    except AccessUnreadable as error:
        leave(error.message, 2)
    if access.certificates is not None:
        from serve.access import expiry  # memory, which servers without certificates never need

        for what, end in expiry.ends(access.certificates.pem):
            if end < time.time():
                log.warning("certificate has ended: who connects refuses it", what=what, ended=expiry.told(end))
    http = settings.http
    handed = [one.getsockname()[0] for one in (*systemd.front, *systemd.control)]
    reached = handed or [http.host, *([http.control_host] if http.control_port is not None else ())]
    if access.open and not all(map(is_loopback, reached)):
        log.warning(_OPEN, hosts=reached)
    return access


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, bound before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        leave(f"can't listen on {host}:{port}: {error.strerror if isinstance(error, OSError) else error}", 1)
    return listener


def url(listener: socket.socket, scheme: str = "http") -> str:
    """The address of a listener, as it can be opened."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{scheme}://{host}:{port}"


def _run(
    settings: Settings,
    access: Access,
    listeners: Sequence[socket.socket],
    control: socket.socket | None,
    systemd: Systemd,
) -> None:
    """Serve until SIGTERM or SIGINT; then drain and return. A control port has all routes, and leaves the other few."""
    shutdown, crowd = composition.make_shutdown(settings), composition.make_crowd(settings)
    attempts = Attempts()
    with state(settings):
        app = composition.build(settings, shutdown, crowd, access, attempts, systemd)
    # Who comes to systemd's sockets waits there for an answer that means something.
    due = functools.partial(settled, app.state.rollout) if systemd.front else lambda: True
    scheme = "http" if access.certificates is None else "https"
    if control is None:
        server = Server(_config(settings, app, access, shutdown, crowd), shutdown, due=due)
    else:
        apart = composition.make_crowd(settings)  # it answers however many wait at the other
        apart.count = crowd.count
        told = Control(_config(settings, app, access, shutdown, apart), control)
        server = Server(_config(settings, without_control(app), access, shutdown, crowd), shutdown, told, due)
        log.info("listening for control", url=url(control, scheme))
    server.listen_to_signals()
    drain, level = settings.rollout.drain_timeout_seconds, settings.log_level
    with account.on_terminal(attempts, lambda: app.state.rollout.models, drain, level):
        log.info("listening", url=url(listeners[0], scheme), console=f"{url(control or listeners[0], scheme)}/")
        gc.freeze()
        gc.set_threshold(20_000, 50, 1000)
        server.run(sockets=[*listeners, *(one.dup() for one in listeners for _ in range(_CONNECTIONS_A_TURN - 1))])
        log.info("stopped")


def _config(settings: Settings, app: FastAPI, access: Access, shutdown: Shutdown, crowd: Crowd) -> uvicorn.Config:
    """What uvicorn is to serve on a port, and how."""
    drain_seconds = settings.rollout.drain_timeout_seconds + _LAST_ANSWERS_SECONDS
    certificates, ways = access.certificates, Ways(app, access.gate)
    return uvicorn.Config(
        app,
        http=functools.partial(Door, ways, Outbox(), shutdown, crowd),  # type: ignore[arg-type]  # what makes a protocol, if not its class
        ssl_context_factory=(lambda *_: certificates.context) if certificates is not None else None,
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here asks who the caller is
        timeout_graceful_shutdown=drain_seconds,  # type: ignore[arg-type]  # as exact as it may be
    )
