"""uvicorn's server, told to stop by signals, and stopping in two steps.

SIGTERM and SIGINT begin the shutdown; a second one ends the process at once, with what it started. SIGHUP has no
effect: nothing is to be read anew, and nobody who hangs up is to stop a server.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import psutil
import structlog
import uvicorn

from serve.shutdown import Shutdown

log = structlog.get_logger()


class Server(uvicorn.Server):
    """Serves until the shutdown that its signals begin is over."""

    def __init__(self, config: uvicorn.Config, shutdown: Shutdown) -> None:
        super().__init__(config)
        self._shutdown = shutdown
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

    async def on_tick(self, counter: int) -> bool:
        """Whether to close."""
        stops = await super().on_tick(counter)
        if stops and not self._told:
            self._told = True
            log.info("stopping")
        return stops and self._shutdown.due

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._shutdown.close()
        await super().shutdown(sockets)


def _end_at_once(code: int) -> NoReturn:
    """Leave, and leave no process behind; what is on disk unfinished is swept at the next start."""
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    os._exit(code)
