"""Requests that ask to go on in another protocol, as clients of HTTP/2 do in passing: answered as if they did not."""

from collections.abc import AsyncIterator

import pytest

from tests.serve.front.calling import Caller, get, post
from tests.serve.front.doorway import Doorway, opened

H2C = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk")


@pytest.fixture
async def doorway() -> AsyncIterator[Doorway]:
    async with opened() as one:
        yield one


@pytest.fixture
async def caller(doorway: Doorway) -> Caller:
    return await doorway.caller()


async def still_sane(caller: Caller) -> None:
    """Nothing came that was not asked for, and the connection is good for more."""
    await caller.send(post(b"still", "connection: close"))
    assert (await caller.reply()).body == b"still"
    assert await caller.rest() == b""


async def test_a_prediction_is_answered_whole(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hello", *H2C))
    reply = await caller.reply()
    assert (reply.status, reply.body) == (200, b"hello")
    assert doorway.teller.asked == [b"hello"]
    await still_sane(caller)


async def test_its_body_may_come_later_and_is_never_read_as_a_request(doorway: Doorway, caller: Caller) -> None:
    request = post(get(), *H2C)
    await caller.send(request.removesuffix(get()))
    await doorway.read()
    await caller.send(get())
    assert (await caller.reply()).body == get()
    assert doorway.teller.asked == [get()]
    await still_sane(caller)


async def test_it_may_come_one_byte_at_a_time(doorway: Doorway, caller: Caller) -> None:
    for byte in post(b"slowly", *H2C):
        await caller.send(bytes([byte]))
        await doorway.read()
    assert (await caller.reply()).body == b"slowly"
    await still_sane(caller)


async def test_it_may_be_of_any_route_and_without_a_body(caller: Caller) -> None:
    await caller.send(get(*H2C))
    assert (await caller.reply()).body == b'"plain"'
    await caller.send(post(b"", *H2C))
    assert (await caller.reply()).status == 200
    await still_sane(caller)


async def test_what_is_pipelined_behind_it_is_answered_in_order(caller: Caller) -> None:
    texts = [b"text %d" % at for at in range(200)]
    await caller.send(b"".join(post(text, *H2C) for text in texts) + post(b"last"))
    assert [(await caller.reply()).body for _ in range(201)] == [*texts, b"last"]
    await still_sane(caller)


@pytest.mark.parametrize("first", [b"hold", b"aside"])
async def test_a_prediction_before_it_is_made_once(doorway: Doorway, caller: Caller, first: bytes) -> None:
    await caller.send(post(first))
    await doorway.teller.until(lambda: doorway.teller.asked)
    await caller.send(post(b"behind", *H2C))
    await doorway.read()
    assert doorway.teller.asked == [first]
    if first == b"hold":
        doorway.teller.release()
    else:
        doorway.teller.aside[0].set_result(None)
    assert [(await caller.reply()).body for _ in range(2)] == [first, b"behind"]
    await still_sane(caller)


async def test_a_route_before_it_is_not_disturbed(doorway: Doorway, caller: Caller) -> None:
    await caller.send(get() + post(b"hold") + post(b"behind", *H2C))
    assert (await caller.reply()).body == b'"plain"'
    await doorway.teller.until(lambda: doorway.teller.held)
    await doorway.read()
    doorway.teller.release()
    assert [(await caller.reply()).body for _ in range(2)] == [b"hold", b"behind"]
    await still_sane(caller)


async def test_a_tunnel_is_refused(caller: Caller) -> None:
    await caller.send(b"CONNECT there:443 HTTP/1.1\r\nhost: there:443\r\n\r\n")
    assert (await caller.reply()).status == 400
    assert await caller.rest() == b""
