"""A real `Door` on a loopback socket, before an inference that does as each request's first word says.

A word that is not listed in `Teller` is echoed.
"""

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.routing import Route
from uvicorn.server import ServerState

from serve.batch.batcher import Entry
from serve.batch.chunks import Chunks
from serve.child.wire import JSON, Part, Value
from serve.errors import DeadlineExceeded, MalformedRequest, NotReady, QueueFull, ServeError
from serve.front.bodies import Bodies
from serve.front.crowd import Crowd, Limits
from serve.front.dialect import Answer, Call
from serve.front.door import Door, Outbox, Ways
from serve.front.endpoint import Endpoint
from serve.front.status import status
from serve.metrics import Metrics
from serve.observe.watch import Watch
from serve.request import Asked, InferenceRequest, InferenceResponse, InferenceStream
from serve.shutdown import Shutdown
from serve.signature.binding import Bound
from serve.signature.spec import Signature
from tests.serve.front.calling import BOUND_SECONDS, Caller, get

GENEROUS = Limits(
    body_bytes=32 * 2**20,
    unread_bytes=256 * 2**20,
    most=1000,
    most_per_address=0,
    header_seconds=5.0,
    body_seconds=30.0,
    write_seconds=30.0,
    min_rate=1024.0,
)

DATE = (b"date", b"Sat, 28 Nov 2026 06:00:00 GMT")
LINEAGE = (("x-model-name", "teller"), ("x-model-run", "42"))
SIGNATURE = Signature((), (), (), ())


def value(text: bytes) -> Value:
    return Value("json", (Part(None, JSON, (), text),))


@dataclass(frozen=True)
class Said:
    """What was read of a request: its text."""

    text: bytes

    @property
    def size(self) -> int:
        return len(self.text)

    def bind(self, _: Signature) -> Bound:
        return Bound(value(self.text), {})


class Plain:
    """A dialect of texts: 'nonsense' is refused, 'riddle' too much to read, 'mumble' to write, 'split' to say."""

    name = "plain"

    def decode(self, call: Call) -> InferenceRequest:
        if call.body.startswith(b"nonsense"):
            raise MalformedRequest("nonsense")
        if call.body.startswith(b"riddle"):
            raise ZeroDivisionError("riddle")
        name = call.arguments.get("name")
        return InferenceRequest(name, None, Said(call.body), call.received, None, call.journey)

    def encode(self, _: Call, response: InferenceResponse) -> Answer:
        text = bytes(response.value.parts[0].data)
        if b"mumble" in text:
            raise ZeroDivisionError("mumble")
        more = (("x-more", "a\r\nx-split: yes"),) if b"split" in text else ()
        return Answer(200, "text/plain", text, (*response.lineage, *more))

    def refuse(self, error: ServeError, request_id: str = "") -> Answer:
        return Answer(status(error), "text/refusal", error.code.encode())


class Teller:
    """In the place of `Inference`. 'hold' is answered when it is told, 'full' refused, 'late' refused later.

    At 'fault' it fails itself, 'aside' it reads aside and then holds, 'large' it writes aside and holds that, and
    'huge' is a long answer. `asked` are the texts of all requests, `outcomes` how each of them ended.
    """

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.models: list[str | None] = []
        self.timeouts: list[float | None] = []
        self.outcomes: list[str] = []
        self.held: list[Entry] = []
        self.aside: list[asyncio.Future[None]] = []
        self.watch: Callable[[], None] = lambda: None
        self._stirred = asyncio.Event()

    def find(self, name: str | None, version: str | None) -> None:
        raise NotReady("none is live")

    def ask(self, request: InferenceRequest) -> Asked | None:
        text = request.reading.bind(SIGNATURE).value.parts[0].data
        if text.startswith(b"aside"):
            return None
        self._record(bytes(text), request)
        if text.startswith(b"full"):
            self.outcomes.append(QueueFull.code)
            raise QueueFull("teller", 1)
        if text.startswith(b"fault"):
            self.outcomes.append("fault")
            raise ZeroDivisionError("fault")
        entry = Entry(value(text), {}, None, time.monotonic() + 60, time.monotonic(), rows=1)
        if text.startswith(b"late"):
            entry.refuse(DeadlineExceeded("teller", 1))
        elif text.startswith(b"hold"):
            self.held.append(entry)
        else:
            entry.resolve(value(b"huge" * 2**18 if text.startswith(b"huge") else text))
        return Asked(request, None, Bound(entry.value, {}), entry)

    def answered(self, asked: Asked) -> InferenceResponse:
        try:
            told = asked.entry.reply.result()
        except BaseException as error:
            self.outcomes.append(getattr(error, "code", "cancelled"))
            raise
        finally:
            self._stirred.set()
        return InferenceResponse("teller", told, asked.bound, SIGNATURE, LINEAGE)

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        asked = self.ask(request)
        if asked is not None:
            try:
                await asked.entry.reply
            finally:
                response = self.answered(asked)
            return response
        bound = request.reading.bind(SIGNATURE)
        self._record(bytes(bound.value.parts[0].data), request)
        await self._held_aside()
        return InferenceResponse("teller", bound.value, bound, SIGNATURE, LINEAGE)

    async def stream(self, request: InferenceRequest) -> InferenceStream:
        bound = request.reading.bind(SIGNATURE)
        chunks = Chunks()
        chunks.bring(bound.value)
        chunks.end()
        return InferenceStream("teller", chunks, bound, SIGNATURE, LINEAGE)

    def is_large(self, response: InferenceResponse) -> bool:
        return response.value.parts[0].data.startswith(b"large")

    def write(self, response: InferenceResponse, write: Any) -> Any:
        try:
            written = write(response)
        except BaseException:
            self.outcomes.append("fault")
            raise
        self.outcomes.append("ok")
        return written

    async def written(self, _: InferenceRequest, response: InferenceResponse, write: Any) -> Any:
        if self.is_large(response):
            await self._held_aside()
        return self.write(response, write)

    async def written_chunk(self, _: InferenceRequest, chunk: InferenceResponse, write: Any) -> Any:
        return write(chunk)

    def refused(self, error: ServeError) -> None:
        self.outcomes.append(error.code)

    async def until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(BOUND_SECONDS):
            while not happened():
                self._stirred.clear()
                await self._stirred.wait()

    def release(self, at: int = 0) -> None:
        """Answer one that is held."""
        self.held[at].resolve(self.held[at].value)

    def _record(self, text: bytes, request: InferenceRequest) -> None:
        self.asked.append(text)
        self.models.append(request.model)
        self.timeouts.append(request.timeout_seconds)
        self.watch()
        self._stirred.set()

    async def _held_aside(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.aside.append(turn)
        self._stirred.set()
        try:
            await turn
        except asyncio.CancelledError:
            self.outcomes.append("cancelled")
            self._stirred.set()
            raise


class Doorway:
    """What there is to see of the server, and the callers at it."""

    def __init__(
        self,
        teller: Teller,
        bodies: Bodies,
        ways: Ways,
        state: ServerState,
        shutdown: Shutdown,
        crowd: Crowd,
        address: tuple[str, int],
    ) -> None:
        self.teller, self.bodies, self.ways, self.state, self.shutdown = teller, bodies, ways, state, shutdown
        self.crowd, self._address = crowd, address
        self._sockets = contextlib.ExitStack()

    async def caller(self, receive_bytes: int | None = None) -> Caller:
        sock = self._sockets.enter_context(socket.socket())
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(sock, self._address)
        return Caller(sock)

    async def read(self) -> None:
        """The server has read all that was sent to it before, and seen who left: another caller has been and gone."""
        other = await self.caller()
        await other.send(get("connection: close"))
        assert (await other.reply()).body == b'"plain"'
        assert await other.rest() == b""

    @property
    def door(self) -> Door:
        """That of the only connection."""
        (one,) = self.state.connections
        assert isinstance(one, Door)
        return one

    async def close(self) -> None:
        self._sockets.close()
        for door in list(self.state.connections):
            door.transport.abort()  # type: ignore[union-attr]
        for task in self.state.tasks:
            task.cancel()
        await asyncio.gather(*self.state.tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def opened(
    max_bytes: int = 10**6,
    max_held_bytes: int = 10**7,
    limits: Limits = GENEROUS,
    watch: Callable[[FastAPI], Watch] | None = None,
    **config: Any,
) -> AsyncIterator[Doorway]:
    teller, bodies, metrics = Teller(), Bodies(max_bytes, max_held_bytes), Metrics(CollectorRegistry())
    endpoint: Any = Endpoint(teller, metrics, Plain(), bodies)  # type: ignore[arg-type]
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(Route(path, endpoint) for path in ("/predict", "/models/{name}/predict"))
    app.get("/plain")(plain)
    app.state.watch = watch(app) if watch is not None else None
    state = ServerState()
    state.default_headers = [DATE]
    options = uvicorn.Config(app, access_log=False, log_config=None, ws="none", **config)
    options.load()
    shutdown = Shutdown(0.0, 1.0)
    ways, failures = Ways(app), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    crowd = Crowd(limits._replace(body_bytes=max_bytes))
    crowd.count = teller.outcomes.append
    make = functools.partial(Door, ways, Outbox(), shutdown, crowd, config=options, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    doorway = Doorway(teller, bodies, ways, state, shutdown, crowd, server.sockets[0].getsockname())
    try:
        yield doorway
    finally:
        server.close()
        await doorway.close()
        await server.wait_closed()
    assert failures == [], "a callback failed, and only the log would have it"


async def plain() -> str:
    return "plain"
