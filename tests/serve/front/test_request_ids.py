"""Every answer says what its request is called, whichever way it came and whatever was wrong with it."""

import json
import re

import pytest
from structlog.testing import capture_logs

from tests.serve.front.calling import Caller, chunked, get, post
from tests.serve.front.doorway import GENEROUS, Doorway, opened

MADE = re.compile(b"[0-9a-f]{32}")
GIVEN = "x-request-id: order-7"
PARENT = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


ASKED = {
    "a prediction": post(b"hello", GIVEN),
    "one that the queue refuses": post(b"full", GIVEN),
    "one that is late": post(b"late", GIVEN),
    "one that is none": post(b"nonsense", GIVEN),
    "one that is read aside": post(b"large", GIVEN),
    "a fault of ours": post(b"fault", GIVEN),
    "one of HTTP/1.0": post(b"hello", GIVEN, version=b"1.0"),
    "an answer that can't be sent": post(b"split", GIVEN),
    "another route": get(GIVEN),
    "no route": get(GIVEN, target=b"/nowhere"),
    "another method": get(GIVEN, target=b"/predict"),
    "a body over the limit": post(b"x" * (10**6 + 1), GIVEN),
    "a broken chunk": chunked().replace(b"\r\n\r\n", f"\r\n{GIVEN}\r\n\r\nno chunk\r\n".encode(), 1),
    "a header twice": post(b"hello", GIVEN, "content-type: a", "content-type: b"),
    "no host": post(b"hello", GIVEN).replace(b"host: here\r\n", b""),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_an_answer_bears_the_id_that_its_caller_gave(doorway: Doorway, caller: Caller, asked: bytes) -> None:
    await caller.send(asked)
    if b"large" in asked:
        await doorway.teller.until(lambda: doorway.teller.aside)
        doorway.teller.aside[0].set_result(None)
    assert (await caller.reply()).headers[b"x-request-id"] == b"order-7"


@pytest.mark.parametrize("asked", [post(b"hello"), get(), b"nonsense\r\n\r\n", post(b"hello", "x-request-id: a b")])
async def test_an_answer_to_who_gave_none_bears_one_that_was_made(caller: Caller, asked: bytes) -> None:
    await caller.send(asked)
    assert MADE.fullmatch((await caller.reply()).headers[b"x-request-id"])


async def test_the_trace_of_the_caller_names_its_request(caller: Caller) -> None:
    await caller.send(post(b"hello", PARENT) + get(PARENT))
    for _ in range(2):
        assert (await caller.reply()).headers[b"x-request-id"] == b"0af7651916cd43dd8448eb211c80319c"


async def test_on_one_connection_each_answer_bears_its_own(caller: Caller) -> None:
    asked = [post(b"one", "x-request-id: 1"), get("x-request-id: 2"), post(b"three", "x-request-id: 3"), post(b"four")]
    await caller.send(b"".join(asked) + b"nonsense\r\n\r\n")
    ids = [(await caller.reply()).headers[b"x-request-id"] for _ in range(5)]
    assert ids[:3] == [b"1", b"2", b"3"]
    assert all(map(MADE.fullmatch, ids[3:]))
    assert ids[3] != ids[4]


async def test_who_finds_no_place_is_told_an_id_too() -> None:
    async with opened(limits=GENEROUS._replace(most_per_address=1)) as doorway:
        first, second = await doorway.caller(), await doorway.caller()
        await first.send(post(b"hello"))
        await first.reply()
        told = await second.reply()
    assert told.status == 503
    assert json.loads(told.body)["request_id"].encode() == told.headers[b"x-request-id"]


async def test_a_problem_bears_it_in_its_body_too(caller: Caller) -> None:
    await caller.send(post(b"", "host: twice", GIVEN, target=b"/plain"))
    assert json.loads((await caller.reply()).body)["request_id"] == "order-7"


@pytest.mark.parametrize("word", [b"fault", b"riddle", b"split"])
async def test_the_log_names_the_request_that_failed(caller: Caller, word: bytes) -> None:
    with capture_logs() as logged:
        await caller.send(post(word, GIVEN))
        await caller.reply()
    assert [one["request_id"] for one in logged] == ["order-7"]
