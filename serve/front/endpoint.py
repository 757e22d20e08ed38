"""Predictions over HTTP, in any dialect: read, infer, answer. Kept clear of FastAPI's machinery.

A whole call takes the short way, `begin`: what is small is done in callbacks, without a task of its own. Through ASGI
come streams, and what the door does not know by sight. A caller that leaves cancels its request. One instance serves
every request of its dialect; it holds no state of theirs.
"""

import asyncio
import functools
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serve.batch.reply import Reply
from serve.child.wire import Value
from serve.errors import InternalError, MethodNotAllowed, ServeError
from serve.front import formats, streaming
from serve.front.bodies import Bodies, Body, ClientGone
from serve.front.dialect import JOURNEY, TIMEOUT, Answer, Call, Dialect, read, request_id, timeout_seconds
from serve.front.streaming import StreamAnswer
from serve.front.timed import Timed
from serve.inference import Inference
from serve.metrics import Metrics
from serve.request import Asked, InferenceRequest, InferenceResponse, Turn

log = structlog.get_logger()

Result = TypeVar("Result")

_SMALL_BYTES = 4096


class Caller(Protocol):
    """Who waits for an answer; where it leaves before, it cancels `work`."""

    work: "asyncio.Future[Any] | Reply | None"

    def tell(self, answer: Answer) -> None:
        """The answer; where it can't be sent that raises, and another may be told."""


class Endpoint:
    """The endpoint of one dialect; `bodies` bounds what is read, and is shared with the others."""

    def __init__(self, inference: Inference, metrics: Metrics, dialect: Dialect, bodies: Bodies) -> None:
        self._inference, self._metrics, self._dialect, self._bodies = inference, metrics, dialect, bodies
        self._timed = Timed(inference, metrics, dialect.name)

    def expect(self) -> Body:
        """The body of a request that begins; to be released when it is answered."""
        return self._bodies.expect()

    def refuse(self, error: ServeError, request_id: str = "") -> Answer:
        """The answer to a request that no model was asked for; it is counted."""
        self._inference.refused(error)
        return self._dialect.refuse(error, request_id)

    def begin(self, call: Call, caller: Caller) -> None:
        """Answer a call that wants it in one piece, once."""
        try:
            request = self._decode(call)
        except Exception as error:
            return caller.tell(self._unread(error, call.request_id, call.received))
        try:
            asked = self._inference.ask(request)
        except Exception as error:
            return caller.tell(self._refusal(error, call.request_id, request))
        call = _unheld(call)
        if asked is None:
            return self._tell_later(self._ask(call, request), call, request, caller)
        caller.work = asked.entry.reply
        asked.entry.reply.listen(lambda: self._settle(call, request, asked, caller))

    def _decode(self, call: Call) -> InferenceRequest:
        request, given = self._dialect.decode(call), call.headers.get(TIMEOUT)
        return request if given is None else request._replace(timeout_seconds=timeout_seconds(given))

    def _settle(self, call: Call, request: InferenceRequest, asked: Asked, caller: Caller) -> None:
        """The model has answered, or failed to, or nobody waits any more."""
        try:
            response = self._inference.answered(asked)
            if isinstance(response, Turn):
                return self._tell_later(self._again(call, request, response), call, request, caller)
            if self._inference.is_large(response):
                self._tell_later(self._written(call, request, response), call, request, caller)
            else:
                began = time.perf_counter()
                answer = self._inference.write(response, functools.partial(self._dialect.encode, call))
                self._observe(request, response, answer, began)
                caller.tell(answer)
        except asyncio.CancelledError:
            return
        except Exception as error:
            caller.tell(self._refusal(error, call.request_id, request))

    def _tell_later(
        self, work: Coroutine[Any, Any, Answer], call: Call, request: InferenceRequest, caller: Caller
    ) -> None:
        """`work` in a task of its own, for what takes longer."""
        caller.work = asyncio.get_running_loop().create_task(self._telling(work, call.request_id, request, caller))

    async def _telling(
        self, work: Coroutine[Any, Any, Answer], request_id: str, request: InferenceRequest, caller: Caller
    ) -> None:
        try:
            caller.tell(await work)
        except Exception as error:
            caller.tell(self._refusal(error, request_id, request))

    async def _refusing(
        self, work: Coroutine[Any, Any, Result], request_id: str, request: InferenceRequest
    ) -> Result | Answer:
        try:
            return await work
        except ClientGone:
            raise
        except Exception as error:
            return self._refusal(error, request_id, request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._bodies.expect()
        try:
            answer = await self._answer(scope, receive, body)
            if isinstance(answer, StreamAnswer):
                await answer.send(send, receive)
            else:
                await respond(send, answer)
        except ClientGone:
            return
        finally:
            body.release()

    async def _answer(self, scope: Scope, receive: Receive, body: Body) -> Answer | StreamAnswer:
        name = request_id(scope)
        if scope["method"] != "POST":
            return self._dialect.refuse(MethodNotAllowed(f"{scope['path']} takes POST, not {scope['method']}"), name)
        try:
            call = await _call(scope, receive, body)
        except ClientGone:
            raise
        except Exception as error:
            return self._unread(error, name)
        try:
            request = self._decode(call)
        except Exception as error:
            return self._unread(error, name, call.received)
        call = _unheld(call)
        chunks = streaming.asked(call.headers.get("accept", ""))
        work = self._ask(call, request) if chunks is None else self._stream(call, request, chunks)
        return await self._refusing(_while_there(receive, work), name, request)

    async def _ask(self, call: Call, request: InferenceRequest) -> Answer:
        return await self._written(call, request, await self._inference.infer(request))

    async def _again(self, call: Call, request: InferenceRequest, turn: Turn) -> Answer:
        return await self._written(call, request, await self._inference.again(request, turn))

    async def _written(self, call: Call, request: InferenceRequest, response: InferenceResponse) -> Answer:
        began = time.perf_counter()
        answer = await self._inference.written(request, response, functools.partial(self._dialect.encode, call))
        self._observe(request, response, answer, began)
        return answer

    def _observe(self, request: InferenceRequest, response: InferenceResponse, answer: Answer, began: float) -> None:
        """The answer is ready; to write it was begun at `began`."""
        self._metrics.stages.series(response.model, "encode").observe(time.perf_counter() - began)
        self._timed.answered(response.model, answer.status, request.received)

    async def _stream(self, call: Call, request: InferenceRequest, content_type: str) -> StreamAnswer:
        stream = await self._inference.stream(request)
        self._timed.answered(stream.model, 200, request.received)
        headers = {**call.headers, "accept": formats.JSON}  # in which each chunk is written as if it were all
        encode = functools.partial(self._dialect.encode, call._replace(headers=headers))

        async def write(chunk: Value) -> bytes:
            now = request._replace(received=time.perf_counter())
            return (await self._inference.written_chunk(now, stream.response(chunk), encode)).body

        def refuse(error: ServeError) -> bytes:
            return self._dialect.refuse(error, call.request_id).body

        return StreamAnswer(content_type, stream, write, refuse, call.request_id)

    def _unread(self, error: Exception, request_id: str, received: float | None = None) -> Answer:
        """The answer to what is no request; it was here whole where it has a time."""
        if isinstance(error, ServeError):
            self._inference.refused(error)
        answer = self._refusal(error, request_id)
        if received is not None:
            self._timed.refused(None, answer.status, received)
        return answer

    def _refusal(self, error: Exception, request_id: str, request: InferenceRequest | None = None) -> Answer:
        if not isinstance(error, ServeError):  # a fault of ours: the log has it, the caller gets a sentence
            log.error("request failed unexpectedly", request_id=request_id, exc_info=error)
            error = InternalError("the server failed on this request; its log has the details")
        answer = self._dialect.refuse(error, request_id)
        if request is not None:
            self._timed.refused(request, answer.status, request.received)
        return answer


async def _call(scope: Scope, receive: Receive, body: Body) -> Call:
    whole, headers, journey = await body.read(receive), read(scope["headers"]), scope.get(JOURNEY)
    return Call(scope["path"], headers, scope.get("path_params", {}), whole, time.perf_counter(), journey)


def _unheld(call: Call) -> Call:
    """The same once its body was taken over: held for as long as it is read, and no longer."""
    return call._replace(body=b"") if len(call.body) > _SMALL_BYTES else call


async def _while_there(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` gives; where the caller leaves before, it is cancelled, and `ClientGone`."""
    working = asyncio.ensure_future(work)
    tasks = (working, asyncio.ensure_future(receive()))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def respond(send: Send, answer: Answer) -> None:
    """Send one whole answer."""
    headers = [
        (b"content-type", answer.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(answer.body)),
        *((key.encode("latin-1"), value.encode("latin-1")) for key, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def response(answer: Answer) -> Response:
    """The same for a route that returns its answer."""
    return Response(answer.body, answer.status, dict(answer.headers), answer.content_type)
