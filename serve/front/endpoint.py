"""Predictions over HTTP, in any dialect, as a plain ASGI endpoint: read, infer, answer.

Kept clear of FastAPI's machinery, which would cost more than the request itself. A caller that leaves cancels
its request. One instance serves every request of its dialect; it holds no state of theirs.
"""

import asyncio
import time
from collections.abc import Awaitable

import structlog
from starlette.types import Message, Receive, Scope, Send

from serve.errors import InternalError, MethodNotAllowed, PayloadTooLarge, ServeError
from serve.front.dialect import Answer, Call, Dialect
from serve.inference import Inference, InferenceResponse
from serve.metrics import Metrics

log = structlog.get_logger()


class ClientGone(Exception):
    """The caller closed the connection before it had its answer."""


class Endpoint:
    """The endpoint. `max_body_bytes` bounds a body as it is read, whatever its headers say."""

    def __init__(self, inference: Inference, metrics: Metrics, dialect: Dialect, max_body_bytes: int) -> None:
        self._inference, self._metrics, self._dialect = inference, metrics, dialect
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowed(f"{scope['path']} takes POST, not {scope['method']}")
            answer = await self._answer(scope, receive)
        except ServeError as error:
            answer = self._dialect.refuse(error)
        except ClientGone:
            return
        except Exception:  # a fault of ours: the log has it, the caller gets a sentence
            log.exception("request failed unexpectedly")
            answer = self._dialect.refuse(InternalError("the server failed on this request; its log has the details"))
        await respond(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            call = await self._call(scope, receive)
            request = self._dialect.decode(call)
        except ServeError as error:
            self._inference.refused(error)
            raise
        response = await _while_connected(self._inference.infer(request), receive)
        began = time.perf_counter()
        answer = self._dialect.encode(call, response)
        self._metrics.stage_seconds.labels(response.model, "encode").observe(time.perf_counter() - began)
        return answer

    async def _call(self, scope: Scope, receive: Receive) -> Call:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        arguments = scope.get("path_params", {})
        body = await self._body(receive)
        return Call(scope["path"], headers, arguments, body, time.perf_counter())

    async def _body(self, receive: Receive) -> bytes:
        """The whole body, or `PayloadTooLarge` as soon as it is over the limit."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_body_bytes:
                raise PayloadTooLarge(f"the body is over the limit of {self._max_body_bytes} bytes")
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)


async def _while_connected(work: Awaitable[InferenceResponse], receive: Receive) -> InferenceResponse:
    """The result of `work`, which is cancelled when the caller leaves."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(receive())
    gone.add_done_callback(lambda _: task.cancel())
    try:
        return await task
    except asyncio.CancelledError:
        if gone.done() and not gone.cancelled():
            raise ClientGone from None
        task.cancel()
        raise
    finally:
        gone.cancel()


async def respond(send: Send, answer: Answer) -> None:
    """Send one whole answer."""
    headers = [("content-type", answer.content_type), ("content-length", str(len(answer.body))), *answer.headers]
    encoded = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
    start: Message = {"type": "http.response.start", "status": answer.status, "headers": encoded}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})
