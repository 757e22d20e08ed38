"""Predictions over HTTP, in any dialect, as a plain ASGI endpoint: read, infer, answer.

Kept clear of FastAPI's machinery, which would cost more than the request itself. A caller that leaves cancels
its request. One instance serves every request of its dialect; it holds no state of theirs.
"""

import asyncio
import functools
import time

import structlog
from starlette.types import Message, Receive, Scope, Send

from serve.child.wire import Value
from serve.errors import InternalError, MethodNotAllowed, ServeError
from serve.front import formats, streaming
from serve.front.bodies import Bodies, Body, ClientGone
from serve.front.departure import Departures
from serve.front.dialect import Answer, Call, Dialect
from serve.front.streaming import StreamAnswer
from serve.inference import Inference, InferenceRequest
from serve.metrics import Metrics

log = structlog.get_logger()

_SMALL_BYTES = 4096


class Endpoint:
    """The endpoint of one dialect; `bodies` bounds what is read, and is shared with the others."""

    def __init__(self, inference: Inference, metrics: Metrics, dialect: Dialect, bodies: Bodies) -> None:
        self._inference, self._metrics, self._dialect, self._bodies = inference, metrics, dialect, bodies
        self._departures = Departures()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._bodies.expect()
        try:
            answer = await self._answer_or_refuse(scope, receive, body)
            if isinstance(answer, StreamAnswer):
                await answer.send(send, receive)
            else:
                await respond(send, answer)
        except ClientGone:
            return
        finally:
            body.release()

    async def _answer_or_refuse(self, scope: Scope, receive: Receive, body: Body) -> Answer | StreamAnswer:
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowed(f"{scope['path']} takes POST, not {scope['method']}")
            return await self._answer(scope, receive, body)
        except ServeError as error:
            return self._dialect.refuse(error)
        except ClientGone:
            raise
        except Exception:  # a fault of ours: the log has it, the caller gets a sentence
            log.exception("request failed unexpectedly")
            return self._dialect.refuse(InternalError("the server failed on this request; its log has the details"))

    async def _answer(self, scope: Scope, receive: Receive, body: Body) -> Answer | StreamAnswer:
        try:
            call = await _call(scope, receive, body)
            request = self._dialect.decode(call)
        except ServeError as error:
            self._inference.refused(error)
            raise
        if len(call.body) > _SMALL_BYTES:
            call = call._replace(body=b"")  # held for as long as it is read, and no longer
        chunks = streaming.asked(call.headers.get("accept", ""))
        departure = self._departures.watch(receive)
        try:
            return await (self._ask(call, request) if chunks is None else self._stream(call, request, chunks))
        except asyncio.CancelledError:
            if not departure.gone:
                raise
            _no_longer_cancelled()
            raise ClientGone from None
        finally:
            departure.end()

    async def _ask(self, call: Call, request: InferenceRequest) -> Answer:
        response = await self._inference.infer(request)
        began = time.perf_counter()
        answer = await self._inference.written(request, response, functools.partial(self._dialect.encode, call))
        self._metrics.stages.series(response.model, "encode").observe(time.perf_counter() - began)
        return answer

    async def _stream(self, call: Call, request: InferenceRequest, content_type: str) -> StreamAnswer:
        stream = await self._inference.stream(request)
        headers = {**call.headers, "accept": formats.JSON}  # in which each chunk is written as if it were all
        encode = functools.partial(self._dialect.encode, call._replace(headers=headers))

        async def write(chunk: Value) -> bytes:
            now = request._replace(received=time.perf_counter())
            return (await self._inference.written(now, stream.response(chunk), encode)).body

        return StreamAnswer(content_type, stream, write, lambda error: self._dialect.refuse(error).body)


async def _call(scope: Scope, receive: Receive, body: Body) -> Call:
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    whole = await body.read(receive)
    return Call(scope["path"], headers, scope.get("path_params", {}), whole, time.perf_counter())


def _no_longer_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()


async def respond(send: Send, answer: Answer) -> None:
    """Send one whole answer."""
    headers = [
        (b"content-type", answer.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(answer.body)),
        *_encoded(tuple(answer.headers)),
    ]
    start: Message = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})


@functools.lru_cache(maxsize=256)  # a release's answers all have the same
def _encoded(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((key.encode("latin-1"), value.encode("latin-1")) for key, value in headers)
