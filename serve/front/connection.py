"""A connection of the HTTP door, before any route: what is read of it and for how long, and how it ends.

What breaks the protocol, or does not come in time, is refused once, behind the answers to what was whole before, and
nothing is read after it: what follows is nobody's request. Who does not read its answers is cut.

Owned by the event loop; the `Crowd` looks at it now and then.
"""

import array
import asyncio
import contextlib
import enum
import fcntl
import termios
from typing import Any

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serve.errors import InternalError, MalformedRequest, RequestTooSlow, ServeError, TooManyConnections
from serve.front import heads
from serve.front.bodies import too_large
from serve.front.crowd import Crowd
from serve.front.dialect import Answer
from serve.front.pace import Pace
from serve.front.schemas.predict import refused
from serve.front.written import whole
from serve.journey import Journey, begin, made

log = structlog.get_logger()

_MOST_PIECES = 2**18  # of a body, beside one for each 64 bytes of it: they take time whatever is in them
_FEW_DIGITS = 4  # a length of fewer is no length to speak of
_MOST_BESIDE_BODY = 64 * 2**10  # sizes and extensions of chunks, and trailers, beside eight bytes for each of the body


class Stage(enum.Enum):
    """What is being read."""

    HEAD = enum.auto()  # of a request, or nothing yet on a new connection
    BODY = enum.auto()
    NOTHING = enum.auto()  # the last request is whole
    REST = enum.auto()  # of what nobody reads any more


HEAD, BODY, NOTHING, REST = Stage


class Connection(HttpToolsProtocol):
    """uvicorn's, bounded; `refuse` ends it with an answer, `hang_up` without one."""

    def __init__(self, crowd: Crowd, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._crowd, self._most = crowd, crowd.limits.body_bytes
        self.version = ""
        self.journey: Journey | None = None  # of the request that is being read, once its head is
        self._stage, self._begun = HEAD, 0  # and how many requests have begun
        self._is_long = False
        self._head_bytes = self._body_bytes = self._wire_bytes = self._pieces = 0
        self._flaw: ServeError | None = None
        self._owed: ServeError | None = None  # to be told once what came before is answered
        self._reading, self._writing, self._stops = Pace(), Pace(), 0
        self._idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._crowd.enter(self, address):
            name = made().id
            transport.write(whole(refused(TooManyConnections(), name), (), False, name))
            transport.close()
            return
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave(self)
        if self.transport is not None:  # else it was turned away
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        stage, begun = self._stage, self._begun
        if stage is REST:
            return
        self._is_long = len(data) > heads.MOST_BYTES
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # to what we do not speak: the request is answered, and nothing after it
        except httptools.HttpParserError as error:
            return self.refuse(self._flaw_of(error))
        if self._begun == begun and self._stage is stage:
            self._bound(stage, len(data))

    def on_message_begin(self) -> None:
        self._stage, self._head_bytes, self._idle_since = HEAD, 0, None
        self._begun += 1
        self.url, self.expect_100_continue, self.headers = b"", False, []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are not read: they would pass for headers."""
        if self._stage is HEAD:
            self.headers.append((name.lower(), value))

    def vet(self) -> None:
        """The head is whole. What it raises, it raises into the parser, which then reads no further."""
        by_name, self.version = dict(self.headers), self.parser.get_http_version()
        self.journey = begin(by_name)
        try:
            heads.require_plain(self.version, self.url, self.headers, by_name)
            if self._is_long:
                heads.require_short(self.headers)
            length = by_name.get(b"content-length", b"")
            if len(length) >= _FEW_DIGITS and int(length) > self._most:
                raise too_large(self._most)
        except ServeError as error:
            self._flaw = error
            raise
        if b"expect" in by_name:
            self.expect_100_continue = by_name[b"expect"].lower() == b"100-continue"
        self._stage, self._body_bytes, self._wire_bytes, self._pieces = BODY, 0, 0, 0
        if self._begun == 1:
            self._crowd.settle(self)

    def take(self, body: bytes) -> None:
        """A piece of a body has come. It may raise, as `vet`."""
        self._body_bytes += len(body)
        self._pieces += 1
        if self._body_bytes > self._most:
            self._flaw = too_large(self._most)
            raise self._flaw
        if self._pieces > _MOST_PIECES and self._pieces > _MOST_PIECES + (self._body_bytes >> 6):
            self._flaw = MalformedRequest("the body comes in too many chunks of a few bytes each")
            raise self._flaw

    def come_whole(self) -> None:
        """The request is whole."""
        self._stage, self.journey = NOTHING, None

    def pause_writing(self) -> None:
        self._crowd.stop(self)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stops += 1
        self._crowd.go_on(self)
        super().resume_writing()

    def look(self, now: float) -> None:
        """End what takes too long: it is asked now and then."""
        limits = self._crowd.limits
        stops = self.transport.is_closing() or self.flow.write_paused
        if stops and self._writing.lags(
            (self._stops, self.transport.is_closing()),
            -self._untaken(),
            now,
            limits.write_seconds,
            limits.min_rate,
        ):
            self._crowd.cut(self)
        elif self._stage is not NOTHING and not self.flow.read_paused and not self.transport.is_closing():
            self._look_at_reading(now)

    def unread(self) -> int:
        return int(self.transport.get_write_buffer_size())

    def give_way(self) -> None:
        self.transport.abort()

    def refuse(self, error: ServeError) -> None:
        """Answer what can't be read on, once what came before it is answered, and read nothing more."""
        is_begun, self._stage = self._stage is BODY, REST
        in_hand = self.cycle is not None and not self.cycle.response_complete
        if is_begun and in_hand:
            self.refuse_begun(error)
        elif is_begun:  # it was refused already, and its rest is what breaks
            self.hang_up()
        elif in_hand:
            self._owed = error
        else:
            self.write_last(error)

    def refuse_begun(self, error: ServeError) -> None:
        """The application has begun to read the request, or is to: it learns that its caller is gone."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
            self._owed = error
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self.write_last(error)

    def refusal(self, error: ServeError, request_id: str) -> Answer:
        """The answer to what can't be read; it is counted."""
        self._crowd.count(error.code)
        return refused(error, request_id)

    def write_last(self, error: ServeError) -> None:
        """Write a refusal, and hang up."""
        if not self.transport.is_closing():
            name = self.journey.id if self.journey is not None else made().id
            answer, defaults = self.refusal(error, name), tuple(self.server_state.default_headers)
            self.transport.write(whole(answer, defaults, False, name))
        self.hang_up()

    def end(self) -> None:
        """All that was whole is answered, and nothing more is read."""
        if self._owed is None:
            self.hang_up()
        else:
            self.write_last(self._owed)

    def hang_up(self) -> None:
        """Say no more. What still comes is read for nothing, for a while: a reset might overtake the answer."""
        self._stage, self._owed = REST, None
        self.pipeline.clear()
        if self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()

    @property
    def is_coming(self) -> bool:
        """Whether more of the last request's body is to come."""
        return self._stage in (BODY, REST)

    @property
    def is_deaf(self) -> bool:
        """Whether nothing is read any more."""
        return self._stage is REST

    def _look_at_reading(self, now: float) -> None:
        limits, stage = self._crowd.limits, self._stage
        if stage is BODY and self.cycle is not None and self.cycle.response_complete:
            stage = REST
        if stage is BODY:
            seconds, rate = limits.body_seconds, limits.min_rate
        else:
            seconds, rate = limits.header_seconds, float("inf")
        if not self._reading.lags((self._begun, stage), self._body_bytes, now, seconds, rate):
            return
        if stage is REST:
            self.give_way()
        elif not self._begun:  # it said nothing: nor do we
            self._crowd.count(RequestTooSlow.code)
            self.transport.close()
        else:
            self.refuse(RequestTooSlow(seconds))

    def _untaken(self) -> int:
        """Bytes of answers that the caller did not take yet: held here, or by the kernel."""
        queued = array.array("i", [0])
        with contextlib.suppress(OSError, ValueError):  # it is closed this very moment
            fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
        return self.transport.get_write_buffer_size() + queued[0]

    def _bound(self, stage: Stage, size: int) -> None:
        """`size` bytes more of the same head, or the same body, were read."""
        if stage is HEAD:
            self._head_bytes += size
            if self._head_bytes > heads.MOST_BYTES:
                self.refuse(heads.too_long())
        elif stage is BODY:
            self._wire_bytes += size
            if self._wire_bytes - self._body_bytes > _MOST_BESIDE_BODY + 8 * self._body_bytes:
                self.refuse(MalformedRequest("the body's chunks have too much beside their data"))

    def _flaw_of(self, error: httptools.HttpParserError) -> ServeError:
        """What is wrong with bytes that the parser refused, or one of ours whom it called."""
        if self._flaw is not None:
            return self._flaw
        cause = error.__context__
        if cause is not None and not isinstance(cause, httptools.HttpParserError):  # a fault of ours
            log.error("request failed unexpectedly", exc_info=cause)
            return InternalError("the server failed on this request; its log has the details")
        return MalformedRequest("this is no HTTP/1.1 request; see RFC 9112")
