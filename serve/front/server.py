"""uvicorn's server, told to stop by signals, and stopping in two steps.

SIGTERM and SIGINT begin the shutdown; a second one ends the process at once, with what it started. SIGHUP has no
effect: nothing is to be read anew, and nobody who hangs up is to stop a server.

A control port, where there is one, has a listener and connections of its own, and is closed last.

Listeners that outlive the server, as systemd's do, are opened when it has something to say: until then who connects
waits, in the kernel's queue, from the server before or for the first release, and nobody is refused.
"""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import psutil
import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.server import ServerState

from serve.shutdown import Shutdown

log = structlog.get_logger()

_HANDSHAKE_SECONDS = 5.0  # else whoever connects and is silent would have a minute
_FAREWELL_SECONDS = 1.0  # and whoever does not say goodbye half of one, in which the server could not end
_LAST_WORDS_SECONDS = 0.2  # for the answers of the control port that are being written


class Control(NamedTuple):
    """The control port: what is served there, and its listening socket."""

    config: uvicorn.Config
    listener: socket.socket


class Server(uvicorn.Server):
    """Serves until the shutdown that its signals begin is over; lets callers in as soon as it is `due`."""

    def __init__(
        self,
        config: uvicorn.Config,
        shutdown: Shutdown,
        control: Control | None = None,
        due: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(config)
        self._shutdown, self._control, self._due = shutdown, control, due
        self._closed: list[socket.socket] = []  # listeners whose callers still wait
        self._control_state = ServerState()
        self._control_server: asyncio.Server | None = None
        self._told = False

    def listen_to_signals(self) -> None:
        """From now on, so that one that comes before uvicorn runs stops it too."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: uvicorn would raise them again once it has stopped, which after a clean drain must not kill us."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come: here nothing is written, for it may have come in the middle of writing."""
        if self.should_exit:
            _end_at_once(128 + sig)
        self.should_exit = True
        self._shutdown.begin()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with bounds to how long a TLS connection may begin and end, and the control port beside it."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        if self._control is not None:
            self._control.config.load()
            self._control_server = await self._listen(self._control.listener, self._control.config, self._control_state)
        self.servers, self._closed = [], list(sockets or ())
        await self._open_if_due()
        self.started = True

    async def _open_if_due(self) -> None:
        if self._closed and self._due():
            listeners, self._closed = self._closed, []
            self.servers = [await self._listen(one, self.config, self.server_state) for one in listeners]

    async def _listen(self, listener: socket.socket, config: uvicorn.Config, state: ServerState) -> asyncio.Server:
        def protocol() -> asyncio.Protocol:
            make: Any = config.http_protocol_class
            made: asyncio.Protocol = make(config=config, server_state=state, app_state=self.lifespan.state)
            return made

        tls: ssl.SSLContext | None = config.ssl
        return await asyncio.get_running_loop().create_server(
            protocol,
            sock=listener,
            backlog=config.backlog,
            ssl=tls,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if tls is not None else None,
            ssl_shutdown_timeout=_FAREWELL_SECONDS if tls is not None else None,
        )

    async def on_tick(self, counter: int) -> bool:
        """Whether to close."""
        stops = await super().on_tick(counter)
        if not stops:
            await self._open_if_due()
        self._control_state.default_headers = self.server_state.default_headers
        if stops and not self._told:
            self._told = True
            log.info("stopping")
        return stops and self._shutdown.due

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._shutdown.close()
        await super().shutdown(sockets)
        if self._control_server is not None:
            self._control_server.close()
            await _closed(self._control_state)


async def _closed(state: ServerState) -> None:
    """Close these connections, and hang up on those that are not closed a moment later."""
    for one in list(state.connections):
        one.shutdown()
    if state.connections:
        await asyncio.sleep(_LAST_WORDS_SECONDS)
    for one in list(state.connections):
        one.transport.abort()


def _end_at_once(code: int) -> NoReturn:
    """Leave, and leave no process behind; what is on disk unfinished is swept at the next start."""
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    os._exit(code)
