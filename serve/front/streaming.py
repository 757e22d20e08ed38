"""Answers in chunks over HTTP: server-sent events, or JSON a line, as the Accept header names one of them.

A chunk is written as the dialect writes a whole answer, an error as the dialect's own refusal. After the first
chunk the status is sent: an error is then an event or a line, never silence. A caller that leaves closes the stream
at once; one that does not read holds it up, and the model with it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import structlog
from starlette.types import Receive, Send

from serve.child.wire import Value
from serve.errors import InternalError, NotAcceptable, NotReady, ServeError
from serve.front import formats
from serve.front.formats.accept import choose
from serve.front.remember import remember
from serve.request import InferenceStream

log = structlog.get_logger()

_SILENCE_SECONDS = 15.0
_LAST_WORD_SECONDS = 1.0


class Form(Protocol):
    """How chunks are put into one body; `silence` is what may be sent to show that the connection is alive."""

    content_type: ClassVar[str]
    silence: ClassVar[bytes]

    def chunk(self, body: bytes) -> bytes: ...
    def error(self, body: bytes) -> bytes: ...
    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Events:
    """Server-sent events. Clients of chat models know no names of events: they read `error` and `[DONE]` as data."""

    content_type: ClassVar[str] = "text/event-stream"
    silence: ClassVar[bytes] = b": \n\n"
    unwrapped: bool

    def chunk(self, body: bytes) -> bytes:
        return b"data: %b\n\n" % body

    def error(self, body: bytes) -> bytes:
        return b"event: error\ndata: %b\n\n" % (b'{"error":%b}' % body if self.unwrapped else body)

    def end(self) -> bytes:
        return b"data: [DONE]\n\n" if self.unwrapped else b"event: done\ndata: {}\n\n"


@dataclass(frozen=True, slots=True)
class Lines:
    """A JSON document a line; the end is the body's end."""

    content_type: ClassVar[str] = "application/x-ndjson"
    silence: ClassVar[bytes] = b""
    unwrapped: bool

    def chunk(self, body: bytes) -> bytes:
        return body + b"\n"

    def error(self, body: bytes) -> bytes:
        return b'{"error":%b}\n' % body

    def end(self) -> bytes:
        return b""


FORMS: dict[str, Callable[[bool], Form]] = {Events.content_type: Events, Lines.content_type: Lines}


@remember
def asked(accept: str) -> str | None:
    """The content type of chunks where the caller names one and would not rather have a whole answer."""
    if not any(kind in accept.lower() for kind in FORMS):
        return None
    try:
        chosen = choose(accept, (*formats.WRITERS, *FORMS))
    except NotAcceptable:  # as the dialect will say of whole answers
        return None
    return chosen if chosen in FORMS else None


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """An HTTP answer that is still being made: `write` makes the body of a chunk, `refuse` that of an error."""

    content_type: str
    stream: InferenceStream
    write: Callable[[Value], Awaitable[bytes]]
    refuse: Callable[[ServeError], bytes]
    request_id: str = ""

    async def send(self, send: Send, receive: Receive, silence_seconds: float = _SILENCE_SECONDS) -> None:
        """Send all of it, or as much as there is when the caller leaves."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
            await self._while_connected(send, receive, silence_seconds)
        finally:
            self.stream.chunks.close()

    async def _while_connected(self, send: Send, receive: Receive, silence_seconds: float) -> None:
        pump = asyncio.ensure_future(self._pump(send, silence_seconds))
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # by the server that stops; with the last word this is over, and no error
            if not pump.done():
                await _cancelled(pump)
                await self._say_stopped(send)
        finally:
            gone.cancel()
            await _cancelled(pump)
        if not pump.cancelled():
            pump.result()

    async def _pump(self, send: Send, silence_seconds: float) -> None:
        async for piece in self._pieces(silence_seconds):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _pieces(self, silence_seconds: float) -> AsyncIterator[bytes]:
        """The body, piece by piece; the last one is its end or an error."""
        try:
            while True:
                yield await self._piece(silence_seconds)
        except StopAsyncIteration:
            yield self._form.end()
        except ServeError as error:
            yield self._refused(error)
        except Exception:  # a fault of ours: the log has it, the caller gets a sentence
            log.exception("stream failed unexpectedly", request_id=self.request_id)
            yield self._refused(InternalError("the server failed on this request; its log has the details"))

    def _refused(self, error: ServeError) -> bytes:
        """The last word; nothing more is asked of the model."""
        self.stream.chunks.close(error.code)
        return self._form.error(self.refuse(error))

    async def _piece(self, silence_seconds: float) -> bytes:
        try:
            async with asyncio.timeout(silence_seconds):
                chunk = await anext(self.stream.chunks)
        except TimeoutError:
            return self._form.silence
        return self._form.chunk(await self.write(chunk))

    async def _say_stopped(self, send: Send) -> None:
        """The last word where the server stops and waits no longer; unsaid where the caller does not read."""
        told = self._refused(NotReady("the server is stopping: try again"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await send({"type": "http.response.body", "body": told})

    @property
    def _form(self) -> Form:
        return FORMS[self.content_type](self.stream.bound.unwrapped)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        headers = {
            "content-type": self.content_type,
            "cache-control": "no-store",
            "x-accel-buffering": "no",  # nginx would collect the chunks
            **dict(self.stream.lineage),
        }
        return [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.wait((task,))
