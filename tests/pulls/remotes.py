"""Remotes of DVC for tests: a folder served over HTTP, and a proxy that does to it what networks do."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_CHUNK = 4096


@dataclass(frozen=True)
class Fault:
    """What happens to what the server sends: late, slowly, `cut` after so many bytes of a connection, or never.

    A cut is a clean end (FIN), as of a server that stopped, or a `reset` (RST).
    """

    latency_seconds: float = 0.0
    bytes_a_second: float = 0.0
    cut: int | None = None
    reset: bool = False
    silent: bool = False


class FaultProxy:
    """A TCP proxy on loopback in front of `port`; `fault` may be changed while it runs. `connections` counts them."""

    def __init__(self, port: int) -> None:
        self.fault, self.connections = Fault(), 0
        self._upstream, self._tasks = port, set[asyncio.Task[None]]()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> "FaultProxy":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Accept connections; always at the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, onward = await asyncio.open_connection("127.0.0.1", self._upstream)
        asking = asyncio.create_task(_copy(reader, onward))
        try:
            with contextlib.suppress(OSError):
                await self._answer(upstream, writer)
        finally:
            asking.cancel()
            for one in (writer, onward):
                one.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await one.wait_closed()

    async def _answer(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = 0
        while data := await upstream.read(_CHUNK):
            fault = self.fault
            while fault.silent:
                await asyncio.sleep(0.05)
                fault = self.fault
            if fault.cut is not None and sent + len(data) >= fault.cut:
                writer.write(data[: fault.cut - sent])
                await writer.drain()
                _end(writer, fault.reset)
                return
            await asyncio.sleep(fault.latency_seconds)
            writer.write(data)
            await writer.drain()
            sent += len(data)
            if fault.bytes_a_second:
                await asyncio.sleep(len(data) / fault.bytes_a_second)


def _end(writer: asyncio.StreamWriter, reset: bool) -> None:
    if reset:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


@contextlib.asynccontextmanager
async def over_http(folder: Path) -> AsyncIterator[FaultProxy]:
    """The folder of a remote as an HTTP server, behind a proxy."""
    application = web.Application()
    application.router.add_static("/", folder)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with FaultProxy(runner.addresses[0][1]) as proxy:
            yield proxy
    finally:
        await runner.cleanup()
