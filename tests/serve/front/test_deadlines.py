"""Rows E-1, E-2 and E-4 at the door: what comes too slowly, or is not read, ends; what only takes long does not."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from tests.forms import within
from tests.serve.front.calling import Caller, chunked, get, post
from tests.serve.front.doorway import GENEROUS, Doorway, opened

SECONDS = 0.4
LIMITS = GENEROUS._replace(header_seconds=SECONDS, body_seconds=SECONDS, write_seconds=SECONDS, min_rate=1000.0)
LATEST = SECONDS + 1.0


@pytest.fixture
async def doorway() -> AsyncIterator[Doorway]:
    async with opened(limits=LIMITS) as one:
        yield one


class Dripping:
    """Sends one byte again and again, until the block is left or nobody takes it."""

    def __init__(self, caller: Caller, data: bytes) -> None:
        self._caller, self._data = caller, data

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._drip())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _drip(self) -> None:
        while True:
            await self._caller.send(self._data)
            await asyncio.sleep(SECONDS / 8)


async def refused(doorway: Doorway, caller: Caller, code: str = "request_too_slow") -> None:
    began = time.monotonic()
    reply = await caller.reply()
    assert (reply.status, reply.headers[b"connection"]) == (408, b"close")
    assert code.encode() in reply.body
    assert await caller.rest() == b""
    assert SECONDS / 2 < time.monotonic() - began < within(LATEST)
    assert doorway.teller.outcomes == [code]
    assert (doorway.teller.asked, doorway.bodies.held) == ([], 0)


async def gone(doorway: Doorway) -> None:
    """The server has let go of its only connection."""
    async with asyncio.timeout(within(10.0)):
        while len(doorway.crowd):  # noqa: ASYNC110  # nobody is told when
            await asyncio.sleep(SECONDS / 8)


async def test_who_connects_and_says_nothing_is_told_nothing_and_closed(doorway: Doorway, caller: Caller) -> None:
    assert await caller.rest() == b""
    assert doorway.teller.outcomes == ["request_too_slow"]
    await doorway.read()
    assert (len(doorway.state.connections), len(doorway.crowd)) == (0, 0)


async def test_who_sends_empty_lines_only_is_closed(doorway: Doorway, caller: Caller) -> None:
    async with Dripping(caller, b"\r\n"):
        assert await caller.rest() == b""


@pytest.mark.parametrize("start", [b"G", b"GET /plain HTTP/1.1\r\nhost: here\r\nx: "])
async def test_headers_that_drip_are_refused_in_time(doorway: Doorway, caller: Caller, start: bytes) -> None:
    await caller.send(start)
    async with Dripping(caller, b"a" if len(start) > 1 else b""):
        await refused(doorway, caller)


@pytest.mark.parametrize("target", [b"/predict", b"/models/a%62c/predict"], ids=["short way", "long way"])
async def test_a_body_that_drips_is_refused_in_time(doorway: Doorway, caller: Caller, target: bytes) -> None:
    await caller.send(post(b"x" * 1000, target=target)[:-900])
    async with Dripping(caller, b"x"):
        await refused(doorway, caller)


async def test_chunks_that_never_end_are_refused_in_time(doorway: Doorway, caller: Caller) -> None:
    await caller.send(chunked(b"hello").removesuffix(b"0\r\n\r\n"))
    async with Dripping(caller, b"1\r\nx\r\n"):
        await refused(doorway, caller)


async def test_a_body_that_takes_long_and_comes_at_its_rate_is_answered(doorway: Doorway, caller: Caller) -> None:
    pieces = [b"x" * 400] * 20  # for three times as long as a body may take, at four times the rate
    began = time.monotonic()
    await caller.send(post(b"".join(pieces))[: -400 * 20])
    for one in pieces:
        await asyncio.sleep(SECONDS * 3 / 20)
        await caller.send(one)
    assert (await caller.reply()).body == b"".join(pieces)
    assert time.monotonic() - began > 2 * SECONDS


async def test_a_prediction_that_takes_long_is_waited_for(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold"))
    await doorway.teller.until(lambda: doorway.teller.held)
    idler = await doorway.caller()
    assert await idler.rest() == b""  # so its time and more is over
    idler = await doorway.caller()
    assert await idler.rest() == b""
    doorway.teller.release()
    assert (await caller.reply()).body == b"hold"


async def test_what_waits_behind_a_prediction_that_takes_long_has_its_time_after_it(
    doorway: Doorway, caller: Caller
) -> None:
    await caller.send(post(b"hold") + get() + post(b"behind")[:-3])
    await doorway.teller.until(lambda: doorway.teller.held)
    for _ in range(2):
        assert await (await doorway.caller()).rest() == b""
    doorway.teller.release()
    assert [(await caller.reply()).body for _ in range(2)] == [b"hold", b'"plain"']
    await caller.send(b"ind")
    assert (await caller.reply()).body == b"behind"


async def test_a_refused_body_may_come_for_a_moment_more_and_then_the_connection_ends() -> None:
    async with opened(max_bytes=1000, limits=LIMITS) as doorway:
        caller = await doorway.caller()
        await caller.send(post(b"x" * 2000)[:-1000])
        assert (await caller.reply()).status == 413
        assert await caller.rest() == b""
        await caller.send(b"x" * 500)  # still taken
        await gone(doorway)


@pytest.mark.parametrize("ask", [post(b"huge"), post(b"huge", version=b"1.0")], ids=["kept", "closing"])
async def test_an_answer_that_is_not_read_is_cut_in_time(doorway: Doorway, ask: bytes) -> None:
    caller = await doorway.caller(receive_bytes=2**12)
    await doorway.read()
    doorway.door.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**14)
    began = time.monotonic()
    await caller.send(ask)
    await gone(doorway)
    assert SECONDS / 2 < time.monotonic() - began < within(2 * LATEST)
    assert doorway.teller.outcomes[-1] == "read_too_slowly"


async def test_an_answer_that_is_read_slowly_and_at_its_rate_comes_whole(doorway: Doorway) -> None:
    caller = await doorway.caller(receive_bytes=2**14)
    await caller.send(post(b"huge") * 8)
    received = 0
    while received < 8 * 2**20:
        await asyncio.sleep(SECONDS / 50)
        data = await asyncio.get_running_loop().sock_recv(caller.sock, 2**17)
        assert data, f"cut after {received} bytes"
        received += len(data)
    assert doorway.teller.outcomes == ["ok"] * 8


async def test_a_crowd_that_waits_gives_way_to_who_asks() -> None:
    async with opened(limits=LIMITS._replace(most=10, header_seconds=30.0)) as doorway:
        for _ in range(30):
            await doorway.caller()
        caller = await doorway.caller()
        await caller.send(post(b"hello"))
        assert (await caller.reply()).body == b"hello"
        assert len(doorway.crowd) == 10


async def test_who_comes_where_all_have_asked_for_something_is_told_to_come_again() -> None:
    async with opened(limits=LIMITS._replace(most=2)) as doorway:
        for _ in range(2):
            inside = await doorway.caller()
            await inside.send(post(b"hello"))
            await inside.reply()
        turned_away = await doorway.caller()
        reply = await turned_away.reply()
        assert (reply.status, reply.headers[b"retry-after"]) == (503, b"1")
        assert b"too_many_connections" in reply.body
        assert await turned_away.rest() == b""
        await inside.send(post(b"still"))
        assert (await inside.reply()).body == b"still"


async def test_empty_lines_keep_no_idle_connection() -> None:
    async with opened(limits=LIMITS, timeout_keep_alive=1) as doorway:
        caller = await doorway.caller()
        await caller.send(post(b"hello"))
        await caller.reply()
        async with Dripping(caller, b"\r\n"):
            assert await caller.rest() == b""


async def test_a_connection_that_asks_again_is_not_idle() -> None:
    async with opened(limits=LIMITS, timeout_keep_alive=1) as doorway:
        caller = await doorway.caller()
        await caller.send(post(b"hello"))
        await caller.reply()
        await caller.send(post(b"hold"))
        await doorway.teller.until(lambda: doorway.teller.held)
        for _ in range(3):  # longer than the connection may be idle
            assert await (await doorway.caller()).rest() == b""
        doorway.teller.release()
        assert (await caller.reply()).body == b"hold"
