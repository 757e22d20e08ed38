"""`POST /predict` and `POST /models/{name}/predict` as a plain ASGI endpoint: read, infer, answer.

Kept clear of FastAPI's machinery, which would cost more than the request itself. A caller that leaves cancels
its request. One instance serves every request; it holds no state of theirs.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable

import structlog
from starlette.types import Message, Receive, Scope, Send

from serve.errors import PayloadTooLarge, ServeError, UnsupportedContent
from serve.front.schemas import mlflow_json
from serve.front.status import PROBLEM_TYPE, RETRY_AFTER_SECONDS, problem, status
from serve.inference import Inference, InferenceRequest, InferenceResponse
from serve.metrics import Metrics

log = structlog.get_logger()

_Headers = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The caller closed the connection before it had its answer."""


class Predict:
    """The endpoint. `max_body_bytes` bounds a body as it is read, whatever its headers say."""

    def __init__(self, inference: Inference, metrics: Metrics, max_body_bytes: int) -> None:
        self._inference, self._metrics, self._max_body_bytes = inference, metrics, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            detail = f"{scope['path']} takes POST, not {scope['method']}"
            return await refuse(send, 405, "method_not_allowed", detail, [(b"allow", b"POST")])
        try:
            await self._answer(scope, receive, send)
        except ServeError as error:
            await refuse(send, status(error), error.code, error.message)
        except ClientGone:
            return None
        except Exception:  # a fault of ours: the log has it, the caller gets a sentence
            log.exception("request failed unexpectedly")
            detail = "the server failed on this request; its log has the details"
            await refuse(send, 500, "internal_error", detail)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await self._request(scope, receive)
        response = await _while_connected(self._inference.infer(request), receive)
        began = time.perf_counter()
        encoded = mlflow_json.encode(response)
        encode = self._metrics.stage_seconds.labels(response.model, "encode")
        encode.observe(time.perf_counter() - began)
        lineage = [(key.encode(), value.encode()) for key, value in response.lineage.items()]
        await respond(send, 200, mlflow_json.CONTENT_TYPE, encoded, lineage)

    async def _request(self, scope: Scope, receive: Receive) -> InferenceRequest:
        """The request as its caller sent it, read and decoded, or refused and counted."""
        try:
            _require_json(scope["headers"])
            body = await self._body(receive)
            name = scope.get("path_params", {}).get("name")
            return mlflow_json.decode(body, name, time.perf_counter())
        except ServeError as error:
            self._inference.refused(error)
            raise

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


def _require_json(headers: Iterable[tuple[bytes, bytes]]) -> None:
    given = next((value.decode("latin-1") for key, value in headers if key == b"content-type"), "")
    kind, *parameters = [part.strip().lower() for part in given.split(";")]
    if kind != mlflow_json.CONTENT_TYPE:
        told = f"'{kind[:80]}'" if kind else "none"
        raise UnsupportedContent(f"the Content-Type must be {mlflow_json.CONTENT_TYPE}; it is {told}")
    if any(parameter not in ("", "charset=utf-8", 'charset="utf-8"') for parameter in parameters):
        raise UnsupportedContent("the body must be UTF-8, and its Content-Type may say only charset=utf-8")


async def refuse(send: Send, code: int, word: str, detail: str, headers: _Headers | None = None) -> None:
    """Answer with problem details."""
    more = list(headers or [])
    if code in RETRY_AFTER_SECONDS:
        more.append((b"retry-after", RETRY_AFTER_SECONDS[code].encode()))
    await respond(send, code, PROBLEM_TYPE, problem(code, word, detail), more)


async def respond(send: Send, code: int, content_type: str, body: bytes, headers: _Headers) -> None:
    """Send one whole answer."""
    fixed = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    start: Message = {"type": "http.response.start", "status": code, "headers": fixed + headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
