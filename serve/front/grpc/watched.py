"""A call over gRPC, as whoever watches requests is told of it: in HTTP's words, for it is HTTP beneath."""

import asyncio
from typing import Any, Protocol

import grpc.aio

from serve.journey import Journey, begin
from serve.observe.seen import Answered
from serve.observe.watch import Watch

Context = grpc.aio.ServicerContext[Any, Any]

_KIND = "application/grpc"
_CONTENT_TYPE = (b"content-type", _KIND.encode())  # which gRPC keeps to itself


class Call(Protocol):
    """What gRPC has for a method: from the bytes of a message to the answer, or an end by `context.abort`."""

    async def __call__(self, message: bytes, context: Context, journey: Journey | None = None) -> Any: ...


def watched(watch: Watch, path: str, predicts: bool, call: Call) -> Call:
    """The same call, of which `watch` is told."""

    async def watching(message: bytes, context: Context, journey: Journey | None = None) -> Any:
        pairs = headers(context)
        journey = journey or begin(dict(pairs))
        watch.begin(journey, b"POST", path.encode(), [*pairs, _CONTENT_TYPE], (path, predicts))
        if journey.notes is not None:
            journey.notes.keep(message)
        try:
            answer = await call(message, context, journey)
        except asyncio.CancelledError:
            watch.end(journey)
            raise
        except BaseException:  # `abort` raises, once it has told the caller
            status = journey.notes.refusal if journey.notes is not None else 0
            watch.end(journey, Answered(status or 500, _KIND, 0, {}, b""))
            raise
        body = answer.SerializeToString()
        watch.end(journey, Answered(200, _KIND, len(body), {}, body))
        return answer

    return watching


def headers(context: Context) -> list[tuple[bytes, bytes]]:
    """The call's metadata, as HTTP has headers."""
    return [
        (name.encode(), value if isinstance(value, bytes) else value.encode("latin-1", "replace"))
        for name, value in context.invocation_metadata() or ()
    ]
