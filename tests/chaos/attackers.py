"""Callers who mean no good: many connections that send little, nothing or without end, and read nothing.

An attack is one process with one event loop: many would take the cores from the server under test.
"""

import asyncio
import contextlib
import multiprocessing
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import httpx


@dataclass
class Attack:
    """`count` connections, each of which sends `start`, then `drip` again and again, until the server ends it."""

    url: str
    count: int
    start: bytes = b""
    drip: bytes = b""
    every_seconds: float = 1.0
    receive_bytes: int | None = None
    reads: bool = True

    seconds: list[float] = field(default_factory=list)  # that each connection lasted
    told: list[bytes] = field(default_factory=list)  # what each was told, where it reads

    async def over(self) -> "Attack":
        """All of them, at once, to their ends: in a process of its own, or honest callers in this one would wait."""
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            self.seconds, self.told = await asyncio.get_running_loop().run_in_executor(apart, _ended, self)
        return self

    async def all(self) -> None:
        """The same, here."""
        await asyncio.gather(*(self._one() for _ in range(self.count)))

    async def _one(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.closing(await connected(self.url, self.receive_bytes)) as sock:
            began, dripping = time.monotonic(), asyncio.create_task(self._send(sock))
            told = b""
            with contextlib.suppress(ConnectionError):
                while self.reads and (data := await loop.sock_recv(sock, 2**16)):
                    told += data
                if not self.reads:
                    await dripping
            self.seconds.append(time.monotonic() - began)
            self.told.append(told)
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)

    async def _send(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, self.start)
        while self.drip:
            await asyncio.sleep(self.every_seconds)
            await loop.sock_sendall(sock, self.drip)


def _ended(attack: Attack) -> tuple[list[float], list[bytes]]:
    asyncio.run(attack.all())
    return attack.seconds, attack.told


async def connected(url: str, receive_bytes: int | None = None) -> socket.socket:
    """A connection to the server, which tries as long as a browser does."""
    address = httpx.URL(url)
    sock = socket.socket()
    sock.setblocking(False)
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port or 80))
    return sock


@contextlib.asynccontextmanager
async def idle(url: str, count: int) -> AsyncIterator[list[socket.socket]]:
    """So many connections that say nothing."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(contextlib.closing(await connected(url))) for _ in range(count)]


async def exchanged(url: str, raw: bytes, seconds: float = 60.0) -> bytes:
    """All that the server says to these bytes, until it closes the connection."""
    loop = asyncio.get_running_loop()
    with contextlib.closing(await connected(url)) as sock:
        sending, told = asyncio.create_task(loop.sock_sendall(sock, raw)), b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(seconds):
                while data := await loop.sock_recv(sock, 2**16):
                    told += data
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return told
