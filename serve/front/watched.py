"""An answer that leaves through uvicorn's own cycle, as whoever watches requests is told of it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serve.front.dialect import Answer
from serve.journey import Journey
from serve.observe.seen import LEFT, Answered
from serve.observe.watch import Watch

Message = MutableMapping[str, Any]


def answered(answer: Answer, kept: bool) -> Answered:
    """A whole answer, with its body where that is `kept`."""
    body = answer.body
    return Answered(answer.status, answer.content_type, len(body), dict(answer.headers), body if kept else None)


def watch_cycle(cycle: Any, journey: Journey, watch: Watch) -> None:
    """Have `watch` told how the answer of this cycle of uvicorn's ended: the application receives and sends by it."""
    if journey.notes is None:
        return
    if journey.notes.is_recorded:
        cycle.receive = _Received(cycle.receive, journey)
    cycle.send = _Sent(cycle, journey, watch)


class _Received:
    """`receive`, which keeps the body."""

    def __init__(self, receive: Callable[[], Awaitable[Any]], journey: Journey) -> None:
        self._receive, self._journey = receive, journey

    async def __call__(self) -> Any:
        message = await self._receive()
        notes = self._journey.notes
        if notes is not None and message["type"] == "http.request":
            notes.keep(message.get("body", b""))
        return message


class _Sent:
    """`send`, which keeps count and, where the request is recorded, the body."""

    def __init__(self, cycle: Any, journey: Journey, watch: Watch) -> None:
        self._cycle, self._send, self._journey, self._watch = cycle, cycle.send, journey, watch
        self._status, self._headers, self._size = 500, dict[str, str](), 0
        self._body: bytes | None = b"" if journey.notes is not None and journey.notes.is_recorded else None

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        if message["type"] == "http.response.start":
            self._status = message["status"]
            pairs = message.get("headers", ())
            self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
        else:
            self._take(message.get("body", b""))
            if not message.get("more_body"):
                self._end()

    def _take(self, body: bytes) -> None:
        self._size += len(body)
        if self._body is not None:
            self._body = self._body + body if self._size <= self._watch.most_bytes else None

    def _end(self) -> None:
        status = LEFT if self._cycle.disconnected else self._status
        kind = self._headers.get("content-type", "")
        self._watch.end(self._journey, Answered(status, kind, self._size, self._headers, self._body))
