"""Rows E-5 and E-7: what is no request gets one refusal and a closed connection; nothing hidden in it is answered."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.serve.front.calling import Caller, get, post
from tests.serve.front.doorway import Doorway, opened
from tests.serve.front.malformed import REFUSED, SMUGGLED, TAKEN

CODES = {400: "malformed_request", 413: "payload_too_large", 414: "target_too_long", 431: "headers_too_large"}


@pytest.fixture
async def doorway() -> AsyncIterator[Doorway]:
    async with opened(max_bytes=100_000) as one:
        yield one


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("before", [b"", post(b"before")], ids=["alone", "behind another"])
async def test_what_is_no_request_is_refused_once_and_nothing_after_it_is_read(
    doorway: Doorway, name: str, before: bytes
) -> None:
    raw, status = REFUSED[name]
    caller = await doorway.caller()
    await caller.send(before + raw + SMUGGLED * 2)
    if before:
        assert (await caller.reply()).body == b"before"
    reply = await caller.reply()
    assert (reply.status, reply.headers[b"connection"]) == (status, b"close")
    told = json.loads(reply.body)["code"] if reply.body.startswith(b"{") else reply.body.decode()
    assert told == CODES[status]
    assert await caller.rest() == b""
    await doorway.read()
    assert doorway.teller.asked == ([b"before"] if before else [])
    assert doorway.teller.outcomes.count(CODES[status]) == 1
    assert doorway.bodies.held == 0


@pytest.mark.parametrize("name", TAKEN)
async def test_what_is_odd_is_answered_and_so_is_what_follows(doorway: Doorway, name: str) -> None:
    caller = await doorway.caller()
    await caller.send(TAKEN[name] + post(b"next") + get("connection: close"))
    assert [(await caller.reply()).body for _ in range(3)] == [b"hello", b"next", b'"plain"']
    assert await caller.rest() == b""
    assert doorway.teller.timeouts == [None, None]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("name", ["two lengths", "a chunk of no size", "a second host", "a giant trailer", "no host"])
async def test_what_is_no_request_is_refused_in_whatever_pieces_it_comes(
    doorway: Doorway, name: str, size: int
) -> None:
    raw, status = REFUSED[name]
    caller = await doorway.caller()
    for start in range(0, min(len(raw), 300 * size), size):
        await caller.send(raw[start : start + size])
        if size < 1000:
            await doorway.read()
    if size < 1000 and len(raw) > 300 * size:
        return  # refused once more of it has come than is sent here
    assert (await caller.reply()).status == status
    assert await caller.rest() == b""
    assert doorway.teller.asked == []


async def test_a_header_among_the_trailers_is_none_to_the_application(doorway: Doorway, caller: Caller) -> None:
    raw = TAKEN["a trailer that would be a header of ours"]
    await caller.send(raw.replace(b"/predict", b"/models/a%62c/predict"))  # not by the short way
    assert (await caller.reply()).body == b"hello"
    assert doorway.teller.models == ["abc"]


async def test_headers_that_come_whole_and_too_long_are_refused_too(doorway: Doorway, caller: Caller) -> None:
    """As an event loop with larger buffers has them."""
    await caller.send(post(b"before"))
    await caller.reply()
    raw = b"POST /predict HTTP/1.1\r\nhost: here\r\nx: %b\r\ncontent-length: 0\r\n\r\n" % (b"a" * 2**16)
    doorway.door.data_received(raw + SMUGGLED)
    assert (await caller.reply()).status == 431
    assert await caller.rest() == b""
    assert doorway.teller.asked == [b"before"]


@pytest.fixture
async def caller(doorway: Doorway) -> Caller:
    return await doorway.caller()
