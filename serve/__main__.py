"""The command `serve`: read the settings, then serve, prepare, or show the history. One process."""

import asyncio
import contextlib
import functools
import gc
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import structlog
import typer
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Table

from serve import app as composition
from serve import log as logging
from serve.access import command as key
from serve.access.access import Access
from serve.access.documents import is_loopback
from serve.artifact import history
from serve.artifact.pin import FILENAME, Pin, read
from serve.artifact.snapshot import Snapshot
from serve.errors import AccessUnreadable, PinUnreadable, RolloutFailed
from serve.front.crowd import Crowd
from serve.front.door import Door, Outbox, Ways
from serve.front.routes import without_control
from serve.front.server import Control, Server
from serve.loader import Loader
from serve.settings import Settings
from serve.shutdown import Shutdown

T = TypeVar("T")

log = structlog.get_logger()

_CONNECTIONS_A_TURN = 16  # let in by the event loop, which takes one of each listener: a crowd would wait for seconds
_OPEN = (
    "whoever reaches this server may predict, read metrics and see what its models are: "
    "set PINION_AUTH__KEYS, or PINION_HTTP__TLS_CLIENT_CA for mutual TLS"
)
_LAST_ANSWERS_SECONDS = 0.5  # to be written, once the time of a shutdown is over

cli = typer.Typer(
    help="Serve the MLflow models that models.dvc pins.", add_completion=True, pretty_exceptions_enable=False
)
cli.add_typer(key.cli, name="key")

Repo = Annotated[
    Path | None, typer.Option(help="The git repository that holds models.dvc.", show_default=".", readable=False)
]


@cli.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: a free one.", show_default="8000")] = None,
    repo: Repo = None,
    workers: Annotated[int | None, typer.Option(help="Workers for each model.", show_default="1")] = None,
) -> None:
    """Pull, verify and serve what models.dvc pins; follow it as git changes it."""
    if context.invoked_subcommand is not None:
        context.obj = repo
        return
    settings = _settings(repo, http={"host": host, "port": port}, worker={"count": workers})
    logging.configure(settings.log_level, settings.log_format)
    _pin(settings)
    _require_trusted(settings)
    access = _access(settings)
    listener = _listen(settings.http.host, settings.http.port)
    if settings.http.grpc_port is not None:  # bound for good once the event loop runs; here it is only tried
        _listen(settings.http.host, settings.http.grpc_port).close()
    port = settings.http.control_port
    _run(settings, access, listener, _listen(settings.http.control_host, port) if port is not None else None)


@cli.command()
def prepare(context: typer.Context, repo: Repo = None) -> None:
    """Pull, verify and build all that serving needs, then stop: for images, and for machines without a network."""
    settings = _settings(repo or context.obj)
    logging.configure(settings.log_level, settings.log_format)
    pin = _pin(settings)
    _require_trusted(settings)
    with _state(settings):
        loader = composition.make_loader(settings, composition.make_metrics())
    try:
        snapshots = asyncio.run(_until_sigterm(_prepared(loader, pin)))
    except RolloutFailed as error:
        _exit(error.message, 1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _exit("interrupted; what was finished is kept", 130)
    log.info("prepared", models=[one.name for one in snapshots], state=str(settings.state))


async def _prepared(loader: Loader, pin: Pin) -> list[Snapshot]:
    await loader.admit(pin)
    return await loader.prepare(pin)


async def _until_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM cancels the work, as SIGINT does by asyncio, so that what it started ends too."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


@cli.command(name="history")
def show_history(context: typer.Context, repo: Repo = None) -> None:
    """List what was pinned when, from git: each commit of models.dvc, its models, runs and metrics."""
    settings = _settings(repo or context.obj)
    found = history.releases(settings.repo)
    if not found:
        _exit(f"git knows no commit of {FILENAME} in {settings.repo}; a promotion makes one", 1)
    table = Table(box=None, pad_edge=False)
    for heading in ("revision", "date", "model", "digest", "run", "metrics"):
        table.add_column(heading, no_wrap=heading != "metrics")
    for release, older in zip_longest(found, found[1:]):
        _add_release(table, release, older.pin if older else None)
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _add_release(table: Table, release: history.Release, before: Pin | None) -> None:
    """A row for each model of the release; the metrics of those it changed."""
    kept = before.models if before else ()
    day = release.date[:16].replace("T", " ")
    if release.pin is None:
        table.add_row(release.revision[:12], day, "(unreadable)", "", "", release.subject)
        return
    for at, model in enumerate(release.pin.models):
        lead = (release.revision[:12], day) if at == 0 else ("", "")
        told = ", ".join(f"{name} {value:.4g}" for name, value in model.metrics.items())
        metrics = "as before" if model in kept else told
        table.add_row(*lead, model.name, model.digest[7:19], model.run[:12], metrics)


def _settings(repo: Path | None, **groups: dict[str, Any]) -> Settings:
    """Settings from the environment, with what the command line says on top; one line where they are wrong."""
    _refuse_unknown_variables()
    try:
        settings = Settings()
        for group, given in {"artifact": {"repo": repo}, **groups}.items():
            said = {key: value for key, value in given.items() if value is not None}
            merged = {**getattr(settings, group).model_dump(), **said}
            checked = type(getattr(settings, group)).model_validate(merged)
            settings = settings.model_copy(update={group: checked})
    except ValidationError as error:
        first = error.errors()[0]
        _exit(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}", 2)
    except SettingsError as error:
        _exit(f"{error}: name one setting, as in PINION_HTTP__PORT", 2)
    return settings


def _refuse_unknown_variables() -> None:
    """A misspelt variable must not be silently without effect."""
    known = {f"PINION_{name}".upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith("PINION_") and not any(
            variable.upper() == name or variable.upper().startswith(f"{name}__") for name in known
        ):
            _exit(f"environment variable {variable} is no setting of Pinion; see docs/settings.md", 2)


def _pin(settings: Settings) -> Pin:
    """The pin at start: a repository without a readable one is refused at once."""
    try:
        if not settings.repo.is_dir():
            _exit(f"there is no folder {settings.repo}: name the git repository with --repo", 2)
        return read((settings.repo / FILENAME).read_bytes())
    except FileNotFoundError:
        _exit(f"there is no {FILENAME} in {settings.repo}: promote a model first, or name another --repo", 2)
    except OSError as error:
        _exit(f"{FILENAME} can't be read: {error.strerror}", 2)
    except PinUnreadable as error:
        _exit(error.message, 2)


def _require_trusted(settings: Settings) -> None:
    """What is to be trusted must be there to be asked, or no release would ever go live."""
    trust = composition.make_trust(settings)
    for path in (*trust.keys, *trust.certificates, trust.allowed_signers, trust.revoked_signers):
        if path is not None and not os.access(path, os.R_OK):
            _exit(f"{path}, which the trust settings name, can't be read", 2)
    if trust.signed and importlib.util.find_spec("model_signing") is None:
        _exit("trust.keys and trust.certificates need model-signing: pip install 'pinion-serve[signing]'", 2)


def _access(settings: Settings) -> Access:
    """Who is let in; one warning where that is everybody."""
    try:
        access = composition.make_access(settings)
    except AccessUnreadable as error:
        _exit(error.message, 2)
    http = settings.http
    reached = [http.host, *([http.control_host] if http.control_port is not None else ())]
    if access.open and not all(map(is_loopback, reached)):
        log.warning(_OPEN, hosts=reached)
    return access


@contextlib.contextmanager
def _state(settings: Settings) -> Iterator[None]:
    """The rooms are built: nothing but the state folder can keep them from that."""
    try:
        yield
    except OSError as error:
        _exit(
            f"can't use the state folder {settings.state}: {error.strerror}; name another as PINION_ARTIFACT__STATE", 1
        )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, bound before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        _exit(f"can't listen on {host}:{port}: {error.strerror if isinstance(error, OSError) else error}", 1)
    return listener


def _url(listener: socket.socket, scheme: str = "http") -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{scheme}://{host}:{port}"


def _run(settings: Settings, access: Access, listener: socket.socket, control: socket.socket | None) -> None:
    """Serve until SIGTERM or SIGINT; then drain and return. A control port has all routes, and leaves the other few."""
    shutdown, crowd = composition.make_shutdown(settings), composition.make_crowd(settings)
    with _state(settings):
        app = composition.build(settings, shutdown, crowd, access)
    scheme = "http" if access.certificates is None else "https"
    if control is None:
        server = Server(_config(settings, app, access, shutdown, crowd), shutdown)
    else:
        apart = composition.make_crowd(settings)  # it answers however many wait at the other
        apart.count = crowd.count
        told = Control(_config(settings, app, access, shutdown, apart), control)
        server = Server(_config(settings, without_control(app), access, shutdown, crowd), shutdown, told)
        log.info("listening for control", url=_url(control, scheme))
    server.listen_to_signals()
    log.info("listening", url=_url(listener, scheme), docs=f"{_url(control or listener, scheme)}/docs")
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)
    server.run(sockets=[listener, *(listener.dup() for _ in range(_CONNECTIONS_A_TURN - 1))])
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


def _exit(message: str, code: int) -> NoReturn:
    typer.echo(f"serve: {message}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Entry point of the console script."""
    cli()


if __name__ == "__main__":
    main()
