"""What systemd hands over as it starts the server, and what it is told: sockets in, words out.

Sockets that listen already come by sd_listen_fds(3), words go by sd_notify(3): a few variables and a datagram each.
Both are taken out of the environment as they are read, for nothing that the server starts may speak in its name. Where
nobody hands anything over there are no sockets, and what is told goes nowhere. One `Systemd` a server; it is never
changed.
"""

import asyncio
import contextlib
import math
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from dataclasses import dataclass

from serve.errors import SocketUnusable

CONTROL = "control"  # the name of the socket for whoever runs the server; any other name is the callers'
_FIRST = 3  # where descriptors that are handed over begin
_LOOK_SECONDS = 0.25
_MOST_STATUS = 400
_EXTENSION_SECONDS = 60.0  # that a start may take from any moment on in which the event loop turns


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a server is: `ready` for what depends on it, `reloading` a release beside the live one, or `stopping`."""

    ready: bool = False
    reloading: bool = False
    stopping: bool = False
    status: str = ""


@dataclass(frozen=True, slots=True)
class Systemd:
    """The sockets for callers and for control, where to send words, and how often it wants to hear one."""

    front: tuple[socket.socket, ...] = ()
    control: tuple[socket.socket, ...] = ()
    address: str = ""
    watchdog_seconds: float = math.inf

    def tell(self, *assignments: str) -> None:
        """Send these, each as `NAME=value`. Where nobody hears them the server goes on."""
        if self.address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
                one.setblocking(False)
                one.connect(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
                one.sendall("\n".join(assignments).encode())

    @contextlib.asynccontextmanager
    async def told(self, look: Callable[[], Standing]) -> AsyncIterator[None]:
        """For the length of a block, `keep_told`; and at its end that we stop, which may have come too fast."""
        telling = asyncio.create_task(self.keep_told(look))
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            if look().stopping:
                self.tell("STOPPING=1")

    async def keep_told(self, look: Callable[[], Standing]) -> None:
        """Until cancelled, tell what changes as it does, and, in half the time the watchdog asks, that we are alive."""
        if not self.address:
            return
        told, beat, ready = Standing(), -math.inf, False
        while True:
            found = look()
            if found != told:
                self.tell(*_words(found, ready))
                told, ready = found, ready or found.ready
            if time.monotonic() - beat >= (self.watchdog_seconds / 2 if ready else _EXTENSION_SECONDS / 4):
                self.tell("WATCHDOG=1" if ready else f"EXTEND_TIMEOUT_USEC={_EXTENSION_SECONDS * 1e6:.0f}")
                beat = time.monotonic()
            await asyncio.sleep(min(_LOOK_SECONDS, self.watchdog_seconds / 4))


def _words(found: Standing, was_ready: bool) -> list[str]:
    """How systemd says it. A release that comes beside a live one is a reload; who stops says no more than that."""
    status = f"STATUS={' '.join(found.status.split())[:_MOST_STATUS]}"
    if found.stopping:
        return ["STOPPING=1", status]
    if found.reloading and was_ready:
        return ["RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", status]
    return ["READY=1", status] if found.ready else [status]


def taken(environment: MutableMapping[str, str] = os.environ, first: int = _FIRST) -> Systemd:
    """What was handed over to this very process; `SocketUnusable` where a socket is none that callers can come by."""
    said = {name: environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    heard = {name: environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")}
    front, control = list[socket.socket](), list[socket.socket]()
    if said["LISTEN_PID"] == str(os.getpid()):
        names = said["LISTEN_FDNAMES"].split(":")
        for at in range(int(said["LISTEN_FDS"] or 0)):
            name = names[at] if at < len(names) else ""
            (control if name == CONTROL else front).append(_listener(first + at, name))
    ours = heard["WATCHDOG_PID"] in ("", str(os.getpid()))
    watchdog = int(heard["WATCHDOG_USEC"]) / 1e6 if ours and heard["WATCHDOG_USEC"] else math.inf
    return Systemd(tuple(front), tuple(control), heard["NOTIFY_SOCKET"], watchdog)


def _listener(descriptor: int, name: str) -> socket.socket:
    """The socket that was handed over as `descriptor`, which our children do not have."""
    told = f"the socket '{name}' that systemd hands over" if name else "a socket that systemd hands over"
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise SocketUnusable(f"{told} is none: {error.strerror}") from None
    flaw = _flaw(found)
    if flaw:
        found.close()
        raise SocketUnusable(f"{told} {flaw}")
    os.set_inheritable(descriptor, False)
    return found


def _flaw(found: socket.socket) -> str:
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
        return "is not of TCP: say ListenStream= with a port, or an address and a port"
    if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "does not listen: a socket unit needs Accept=no"
    return ""
