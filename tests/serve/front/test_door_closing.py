"""How connections and what they hold come to an end: callers that leave, bodies over the limit, shutdowns, timeouts."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from tests.serve.front.calling import Caller, chunked, get, post
from tests.serve.front.doorway import Doorway, opened

LIMIT = 100_000


@pytest.fixture
async def doorway() -> AsyncIterator[Doorway]:
    async with opened(max_bytes=LIMIT) as one:
        yield one


async def test_a_connection_is_kept_until_its_caller_wants_it_closed(doorway: Doorway, caller: Caller) -> None:
    for _ in range(3):
        await caller.send(post(b"hello"))
        assert b"connection" not in (await caller.reply()).headers
    await caller.send(post(b"goodbye", "connection: close"))
    assert (await caller.reply()).headers[b"connection"] == b"close"
    assert await caller.rest() == b""
    assert doorway.state.total_requests == 4


@pytest.mark.parametrize("headers", [(), ("connection: keep-alive",)])
async def test_an_old_client_is_answered_and_its_connection_closed(caller: Caller, headers: tuple[str, ...]) -> None:
    await caller.send(post(b"hello", *headers, version=b"1.0"))
    reply = await caller.reply()
    assert (reply.body, reply.headers[b"connection"]) == (b"hello", b"close")
    assert await caller.rest() == b""


@pytest.mark.parametrize("last", [b"nonsense", b"hold", b"hello"])
async def test_what_follows_a_caller_s_last_request_is_not_answered(
    doorway: Doorway, caller: Caller, last: bytes
) -> None:
    await caller.send(post(last, "connection: close") + post(b"too late"))
    await doorway.read()
    if doorway.teller.held:
        doorway.teller.release()
    await caller.reply()
    assert await caller.rest() == b""
    assert b"too late" not in doorway.teller.asked


@pytest.mark.parametrize("request_", [post(b"x" * 3 * LIMIT), chunked(*[b"x" * 1000] * 300)], ids=["length", "chunks"])
async def test_a_body_over_the_limit_is_refused_once_and_nothing_after_it_is_read(
    doorway: Doorway, caller: Caller, request_: bytes
) -> None:
    await caller.send(request_[: LIMIT * 2])
    reply = await caller.reply()
    assert (reply.status, reply.body) == (413, b"payload_too_large")
    assert reply.headers[b"connection"] == b"close"
    assert doorway.bodies.held == 0
    await caller.send(request_[LIMIT * 2 :] + post(b"hello"))  # a client that sends all before it reads is not reset
    assert await caller.rest() == b""
    assert doorway.teller.asked == []
    assert doorway.teller.outcomes == ["payload_too_large"]
    assert doorway.bodies.held == 0


async def test_large_bodies_over_what_may_be_held_are_refused_until_others_are_answered() -> None:
    async with opened(max_held_bytes=LIMIT) as doorway:
        first, second = await doorway.caller(), await doorway.caller()
        await first.send(post(b"hold" + b"x" * LIMIT))
        await doorway.teller.until(lambda: doorway.teller.held)
        await second.send(post(b"y" * LIMIT))
        assert (await second.reply()).status == 429
        assert await second.rest() == b""
        doorway.teller.release()
        assert (await first.reply()).status == 200
        second = await doorway.caller()
        await second.send(post(b"y" * LIMIT))
        assert (await second.reply()).status == 200
        assert doorway.bodies.held == 0


@pytest.mark.parametrize("text", [b"hello", b"nonsense", b"full", b"fault", b"riddle", b"late", b"split"])
async def test_nothing_is_held_once_a_request_is_answered(doorway: Doorway, caller: Caller, text: bytes) -> None:
    request = post(text)
    await caller.send(request[:-1])
    await doorway.read()
    assert doorway.bodies.held == len(text) - 1
    await caller.send(request[-1:])
    await caller.reply()
    assert doorway.bodies.held == 0


async def test_a_caller_that_leaves_in_mid_body_leaves_nothing_behind(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hello")[:-2])
    await doorway.read()
    assert doorway.bodies.held == 3
    caller.sock.close()
    await doorway.read()
    assert doorway.bodies.held == 0
    assert not doorway.state.connections
    assert doorway.teller.asked == []


@pytest.mark.parametrize("text", [b"hold", b"aside", b"large"])
async def test_no_work_is_done_for_a_caller_that_left(doorway: Doorway, caller: Caller, text: bytes) -> None:
    teller = doorway.teller
    await caller.send(post(text))
    await teller.until(lambda: teller.held or teller.aside)
    assert doorway.bodies.held == len(text)
    caller.sock.close()
    await teller.until(lambda: "cancelled" in teller.outcomes)
    assert doorway.bodies.held == 0
    assert all(entry.reply.cancelled() for entry in teller.held if text == b"hold")
    assert teller.outcomes.count("cancelled") == 1


async def test_work_made_aside_is_kept_alive_by_the_one_who_waits_for_it(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"large"))
    await doorway.teller.until(lambda: doorway.teller.aside)
    gc.collect()
    doorway.teller.aside[0].set_result(None)
    assert (await caller.reply()).body == b"large"


async def test_garbage_behind_held_predictions_is_refused_once_they_are_answered(
    doorway: Doorway, caller: Caller
) -> None:
    await caller.send(post(b"hold") + post(b"behind") + b"garbage\r\n\r\n" + post(b"smuggled"))
    await doorway.read()
    doorway.teller.release()
    assert [(await caller.reply()).body for _ in range(2)] == [b"hold", b"behind"]
    reply = await caller.reply()
    assert (reply.status, reply.headers[b"connection"]) == (400, b"close")
    assert await caller.rest() == b""
    assert doorway.teller.asked == [b"hold", b"behind"]
    assert doorway.bodies.held == 0


async def test_a_body_that_breaks_behind_held_predictions_is_refused_once_they_are_answered(
    doorway: Doorway, caller: Caller
) -> None:
    broken = chunked(b"broken").removesuffix(b"0\r\n\r\n") + b"garbage\r\n\r\n"
    await caller.send(post(b"hold") + post(b"behind") + broken + post(b"smuggled"))
    await doorway.read()
    doorway.teller.release()
    assert [(await caller.reply()).body for _ in range(2)] == [b"hold", b"behind"]
    assert (await caller.reply()).status == 400
    assert await caller.rest() == b""
    assert doorway.teller.asked == [b"hold", b"behind"]
    assert doorway.bodies.held == 0


async def test_garbage_in_mid_body_is_refused_and_nothing_stays_held(doorway: Doorway, caller: Caller) -> None:
    await caller.send(chunked(b"hello").removesuffix(b"0\r\n\r\n") + b"garbage\r\n\r\n")
    assert (await caller.reply()).status == 400
    assert await caller.rest() == b""
    assert doorway.bodies.held == 0
    assert doorway.teller.asked == []


async def test_a_caller_gone_before_its_answer_is_written_harms_no_other(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold one"))
    await doorway.teller.until(lambda: doorway.teller.held)
    gone = doorway.door
    other = await doorway.caller()
    await other.send(post(b"hold two"))
    await doorway.teller.until(lambda: len(doorway.teller.held) == 2)
    doorway.teller.release(0)
    doorway.teller.release(1)
    gone.transport.abort()  # after the answer was made, before it is written
    assert (await other.reply()).body == b"hold two"
    assert await caller.rest() == b""
    assert doorway.teller.outcomes == ["ok", "ok"]
    assert doorway.bodies.held == 0


async def test_a_caller_gone_as_its_answer_comes_is_not_told(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold"))
    await doorway.teller.until(lambda: doorway.teller.held)
    doorway.door.transport.abort()
    doorway.teller.release()
    assert await caller.rest() == b""
    await doorway.read()
    assert doorway.teller.outcomes == ["ok"]
    assert doorway.bodies.held == 0


async def test_a_caller_that_does_not_read_is_not_answered_ahead(doorway: Doorway) -> None:
    caller = await doorway.caller(receive_bytes=2**14)
    await caller.send(post(b"hello"))
    await caller.reply()
    door, written = doorway.door, list[int]()
    doorway.teller.watch = lambda: written.append(door.transport.get_write_buffer_size())
    for _ in range(20):
        await caller.send(post(b"huge"))
        await doorway.read()
    assert [(await caller.reply()).body for _ in range(20)] == [b"huge" * 2**18] * 20
    assert max(written) <= 2**20 + 2**17  # one answer, begun when the last was all but taken


async def test_a_shutdown_lets_a_held_prediction_finish_and_then_closes(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold"))
    await doorway.teller.until(lambda: doorway.teller.held)
    doorway.door.shutdown()
    await doorway.read()
    doorway.teller.release()
    reply = await caller.reply()
    assert (reply.body, reply.headers[b"connection"]) == (b"hold", b"close")
    assert await caller.rest() == b""


async def test_a_shutdown_loses_no_answer_that_was_made_but_not_written(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold"))
    await doorway.teller.until(lambda: doorway.teller.held)
    doorway.teller.release()
    asyncio.get_running_loop().call_soon(doorway.door.shutdown)  # once the answer is made
    assert (await caller.reply()).body == b"hold"
    assert await caller.rest() == b""


async def test_a_shutdown_closes_idle_connections_soon(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hello"))
    await caller.reply()
    doorway.door.shutdown()
    assert await caller.rest() == b""


@pytest.mark.parametrize(("asked", "told"), [(post(b"hello"), b"hello"), (get(), b'"plain"')])
async def test_a_request_that_was_on_its_way_as_the_server_closed_is_answered(
    doorway: Doorway, caller: Caller, asked: bytes, told: bytes
) -> None:
    await caller.send(post(b"first"))
    await caller.reply()
    await caller.send(asked)
    doorway.shutdown.close()
    doorway.door.shutdown()  # before it reads what was sent
    reply = await caller.reply()
    assert (reply.body, reply.headers[b"connection"]) == (told, b"close")
    assert await caller.rest() == b""


@pytest.mark.parametrize("asked", [post(b"hello"), get()])
async def test_once_a_shutdown_has_begun_each_answer_is_the_last_on_its_connection(
    doorway: Doorway, caller: Caller, asked: bytes
) -> None:
    doorway.shutdown.begin()
    await caller.send(asked)
    reply = await caller.reply()
    assert (reply.status, reply.headers[b"connection"]) == (200, b"close")
    assert await caller.rest() == b""


async def test_an_idle_connection_is_closed_in_time() -> None:
    async with opened(timeout_keep_alive=0) as doorway:
        caller = await doorway.caller()
        await caller.send(post(b"hello"))
        assert (await caller.reply()).body == b"hello"
        assert await caller.rest() == b""


@pytest.mark.parametrize("before", [b"nonsense", b"full", b"hello"])
async def test_a_connection_that_waits_for_a_prediction_is_not_idle(before: bytes) -> None:
    async with opened(timeout_keep_alive=0) as doorway:
        caller = await doorway.caller()
        await caller.send(post(before) + post(b"hold"))
        await caller.reply()
        await doorway.teller.until(lambda: doorway.teller.held)
        await doorway.read()
        doorway.teller.release()
        assert (await caller.reply()).body == b"hold"
        assert await caller.rest() == b""
