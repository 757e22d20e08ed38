"""The HTTP door: uvicorn's, with a shorter way in for predictions.

Through ASGI a small prediction would spend more of its time on the way than on itself: a scope, a task, a channel to
read from, two messages to write. Here a whole request is handed to its `Endpoint` as its last byte comes in, and the
answer leaves in one write. Whatever else comes (other routes and methods, streams, HTTP/1.0, requests that do not wait
for their answers) is uvicorn's and the application's, which holds the same endpoints.

Owned by the event loop; one `Door` a connection.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.batch.reply import Reply
from serve.errors import ServeError
from serve.front import streaming
from serve.front.connection import Connection
from serve.front.crowd import Crowd
from serve.front.dialect import JOURNEY, Answer, Call, read
from serve.front.watched import answered, watch_cycle
from serve.front.ways import Way, Ways
from serve.front.written import whole
from serve.journey import HEADER, Journey
from serve.shutdown import Shutdown

__all__ = ["Door", "Exchange", "Outbox", "Ways"]

_LAST_CALL_SECONDS = 0.05


class Door(Connection):
    """For `uvicorn.Config(http=functools.partial(Door, ways, outbox, shutdown, crowd))`."""

    def __init__(self, ways: Ways, outbox: "Outbox", shutdown: Shutdown, crowd: Crowd, **uvicorn: Any) -> None:
        super().__init__(crowd, **uvicorn)
        self._ways, self._outbox, self._shutdown = ways, outbox, shutdown
        self.watch = ways.watch
        self._exchange: Exchange | None = None  # the last one; others may wait behind it in uvicorn's pipeline

    def on_headers_complete(self) -> None:
        self.vet()
        if self.watch is not None and self.journey is not None:
            self.watch.begin(self.journey, self.parser.get_method(), self.url, self.headers)
        exchange = self._short() if self.cycle is None or self.cycle.response_complete else None
        if exchange is not None:
            self._exchange = exchange
            self.cycle = exchange  # type: ignore[assignment]  # it has what uvicorn asks a cycle for
        else:
            self._make_scope()
            super().on_headers_complete()
            self._name_cycle()
            if self.parser.should_upgrade() or self._shutdown.begun:
                self.cycle.keep_alive = False  # the body of what we do not speak would be read as another request

    def on_body(self, body: bytes) -> None:
        self.take(body)
        if isinstance(self.cycle, Exchange):
            self.cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self.come_whole()
        if isinstance(self.cycle, Exchange):
            self.cycle.end()
        else:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._exchange is not None:
            self._exchange.leave()
        scope: Mapping[str, Any] = getattr(self.cycle, "scope", {})
        if JOURNEY in scope:  # of what was asked through uvicorn, and gets no answer
            self.seen(scope[JOURNEY], None)
        if isinstance(self.cycle, Exchange):
            self.cycle = None  # type: ignore[assignment]  # as it is at first
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """As uvicorn's, but an idle connection is closed a moment later: a request may be on its way to us."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_LAST_CALL_SECONDS, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def on_response_complete(self) -> None:
        """As uvicorn's, but for the timer of idle connections: set once, it looks, in place of one for each answer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.is_deaf:
            self.end()
        else:
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._look_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_in(left)
        elif not self.transport.is_closing():
            self.transport.close()

    def _look_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def reply(self, exchange: "Exchange", answer: Answer) -> None:
        """Have an answer written, whole; it raises where that can't be sent."""
        defaults = tuple(self.server_state.default_headers)
        self._outbox.put(self, exchange, whole(answer, defaults, exchange.keep_alive, exchange.journey.id))

    def write(self, exchange: "Exchange", data: bytes) -> None:
        """Send an answer, and make ready for the next request."""
        exchange.response_complete = True
        if not self.transport.is_closing():
            self.transport.write(data)
        if not exchange.keep_alive:
            self.hang_up() if self.is_coming else self.transport.close()
        self.on_response_complete()

    def refuse_begun(self, error: ServeError) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.refuse(error)
        else:
            super().refuse_begun(error)

    def refusal(self, error: ServeError, request_id: str) -> Answer:
        """In the dialect of the route that was asked for, where one was."""
        way = self._ways.of(self.url)
        answer = way.endpoint.refuse(error, request_id) if way is not None else super().refusal(error, request_id)
        if self.watch is not None:
            self.watch.refused(self.journey or Journey(request_id), answered(answer, kept=False), self.url)
        return answer

    def _make_scope(self) -> None:
        """What uvicorn makes for each request as it begins."""
        url, expecting, headers = self.url, self.expect_100_continue, self.headers
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expecting
        self.headers += headers  # the scope's own list
        self.scope[JOURNEY] = self.journey  # type: ignore[literal-required]  # ASGI allows more keys

    def seen(self, journey: Journey, answer: Answer | None) -> None:
        """Who watches requests is told how one ended."""
        if self.watch is not None and journey.notes is not None:
            kept = journey.notes.is_recorded
            self.watch.end(journey) if answer is None else self.watch.end(journey, answered(answer, kept))

    def _name_cycle(self) -> None:
        """Have the answer that uvicorn writes bear the request's id, its log of a fault too; and have it watched."""
        assert self.journey is not None
        name, cycle = self.journey.id, self.cycle
        cycle.default_headers = [*cycle.default_headers, (HEADER.encode(), name.encode("latin-1"))]
        if self.watch is not None:
            watch_cycle(cycle, self.journey, self.watch)
        cycle.logger = logging.LoggerAdapter(self.logger, {"request_id": name})  # type: ignore[assignment]  # logs as one

    def _short(self) -> "Exchange | None":
        """The exchange that the request just begun is to be; None where it is not for the short way."""
        way = self._ways.of(self.url)
        parser = self.parser
        if way is None or parser.get_method() != b"POST" or self.expect_100_continue or parser.should_upgrade():
            return None
        if not self._ways.admits(self.headers):
            return None
        headers, journey = read(self.headers), self.journey
        if self.version != "1.1" or streaming.asked(headers.get("accept", "")) is not None:
            return None
        if self.flow.write_paused:  # the caller does not read its answers: it is to wait
            return None
        assert journey is not None
        return Exchange(self, way, headers, parser.should_keep_alive() and not self._shutdown.begun, journey)


class Outbox:
    """Answers of all connections, written back to back at the end of the event loop's turn.

    A caller that sleeps is woken by each that is written alone; among those of a batch, once is enough.
    """

    def __init__(self) -> None:
        self._held: list[tuple[Door, Exchange, bytes]] = []

    def put(self, door: Door, exchange: "Exchange", data: bytes) -> None:
        if not self._held:
            door.loop.call_soon(self._release)
        self._held.append((door, exchange, data))

    def _release(self) -> None:
        held, self._held = self._held, []
        for door, exchange, data in held:
            door.write(exchange, data)


class Exchange:
    """One prediction on a connection: its body as it comes, then its answer, or its caller leaves before.

    In the place of uvicorn's cycle, which has `response_complete` and `keep_alive` too. Complete once its answer is
    written: until then, whatever else comes on the connection waits in uvicorn's pipeline.
    """

    __slots__ = (
        "_body",
        "_data",
        "_door",
        "_headers",
        "_over",
        "_way",
        "journey",
        "keep_alive",
        "response_complete",
        "work",
    )

    def __init__(self, door: Door, way: Way, headers: Mapping[str, str], keep_alive: bool, journey: Journey) -> None:
        self.keep_alive, self.response_complete, self._over = keep_alive, False, False
        self.journey = journey
        self._door, self._way, self._headers = door, way, headers
        self._data: bytes | bytearray = b""
        self._body = way.endpoint.expect()
        self.work: asyncio.Future[Any] | Reply | None = None

    def feed(self, data: bytes) -> None:
        """More of the body; over a bound, the request is refused."""
        if self._over:
            return
        if self._data:  # in one buffer: a list of chunks of a few bytes each would be many times their size
            self._data = self._data if isinstance(self._data, bytearray) else bytearray(self._data)
            self._data += data
        else:
            self._data = data
        try:
            self._body.count(len(data))
        except ServeError as error:
            self.refuse(error)

    def refuse(self, error: ServeError) -> None:
        """The body is not read to its end: this is the last answer on the connection."""
        if not self._over:
            self._data, self.keep_alive = b"", False
            if self.journey.notes is not None:
                self.journey.notes.is_recorded = False
            self.tell(self._way.endpoint.refuse(error, self.journey.id))

    def end(self) -> None:
        """The body is whole."""
        if self._over or self.work is not None:  # it was whole before, and this is the end of an upgrade behind it
            return
        body, self._data = bytes(self._data), b""
        way = self._way
        if self.journey.notes is not None:
            self.journey.notes.keep(body)
        call = Call(way.path, self._headers, way.arguments, body, time.perf_counter(), self.journey)
        way.endpoint.begin(call, self)

    def tell(self, answer: Answer) -> None:
        """The answer. Where it can't be sent that raises, and another may be told."""
        if not self._over:
            self._door.reply(self, answer)
            self._end()
            if self.journey.notes is not None:
                self._door.seen(self.journey, answer)

    def leave(self) -> None:
        """The caller is gone: nobody is to be answered, and no work to be done for it."""
        if not self._over:
            work = self.work
            self._end()
            if work is not None:
                work.cancel()
            self._door.seen(self.journey, None)

    def _end(self) -> None:
        self._over, self.work = True, None
        self._body.release()
