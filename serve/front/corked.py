"""uvicorn's HTTP, whose answers leave in one piece.

uvicorn writes an answer's headers and its body apart: two system calls, and two packets for the caller to wake up
to. Here what is written in one turn of the event loop is sent at its end.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Corked(HttpToolsProtocol):
    """For `uvicorn.Config(http=…)`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(_Cork(transport, self.loop))


class _Cork(asyncio.Transport):
    """`transport`, with what is written to it held until the end of the turn, or until it is closed."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[Any] = []

    def write(self, data: Any) -> None:
        if not self._held:
            self._loop.call_soon(self._release)
        self._held.append(data)

    def close(self) -> None:
        self._release()
        self._transport.close()

    def _release(self) -> None:
        held, self._held = self._held, []
        if held:
            self._transport.write(b"".join(held))

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)
