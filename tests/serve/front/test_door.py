"""What goes in at the door and what comes out: requests however they arrive, answers whole, each once and in order."""

import re
import tracemalloc

import pytest

from tests.serve.front.calling import Caller, chunked, get, post
from tests.serve.front.doorway import DATE, Doorway


async def still_sane(caller: Caller) -> None:
    """Nothing came that was not asked for, and both ways in still answer."""
    await caller.send(post(b"still"))
    assert (await caller.reply()).body == b"still"
    await caller.send(get("connection: close"))
    assert (await caller.reply()).body == b'"plain"'
    assert await caller.rest() == b""


async def test_an_answer_is_a_status_line_headers_and_a_body(caller: Caller) -> None:
    await caller.send(post(b"hello"))
    line, headers, body = await caller.reply()
    assert (line, body) == (b"HTTP/1.1 200 OK", b"hello")
    assert re.fullmatch(b"[0-9a-f]{32}", headers.pop(b"x-request-id"))
    assert headers == {
        b"date": DATE[1],
        b"x-model-name": b"teller",
        b"x-model-run": b"42",
        b"content-type": b"text/plain",
        b"content-length": b"5",
    }
    await still_sane(caller)


async def test_a_caller_says_how_long_it_waits(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hello") + post(b"hello", "X-Request-Timeout: 0.25"))
    for _ in range(2):
        assert (await caller.reply()).status == 200
    assert doorway.teller.timeouts == [None, 0.25]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_timeout_that_is_none_is_refused_before_anything_is_asked(
    doorway: Doorway, caller: Caller, version: bytes
) -> None:
    await caller.send(post(b"hello", "x-request-timeout: soon", version=version))
    assert (await caller.reply()).body == b"malformed_request"
    assert (doorway.teller.asked, doorway.teller.outcomes) == ([], ["malformed_request"])


async def test_an_answer_has_the_date_of_its_own_second(doorway: Doorway, caller: Caller) -> None:
    for date in (b"Sat, 28 Nov 2026 06:00:01 GMT", b"Sat, 28 Nov 2026 06:00:02 GMT"):
        doorway.state.default_headers = [(b"date", date)]
        await caller.send(post(b"hello"))
        assert (await caller.reply()).headers[b"date"] == date


@pytest.mark.parametrize(
    ("text", "line", "outcome"),
    [
        (b"nonsense", b"HTTP/1.1 400 Bad Request", "malformed_request"),
        (b"full", b"HTTP/1.1 429 Too Many Requests", "queue_full"),
        (b"late", b"HTTP/1.1 504 Gateway Timeout", "deadline_exceeded"),
    ],
)
async def test_a_refusal_is_told_in_the_dialect_and_counted_once(
    doorway: Doorway, caller: Caller, text: bytes, line: bytes, outcome: str
) -> None:
    await caller.send(post(text))
    reply = await caller.reply()
    assert (reply.line, reply.body) == (line, outcome.encode())
    assert reply.headers[b"content-type"] == b"text/refusal"
    assert doorway.teller.outcomes == [outcome]
    await still_sane(caller)


@pytest.mark.parametrize("text", [b"riddle", b"fault", b"mumble"])
async def test_a_fault_of_ours_is_told_as_one_and_the_connection_goes_on(caller: Caller, text: bytes) -> None:
    await caller.send(post(text))
    reply = await caller.reply()
    assert (reply.status, reply.body) == (500, b"internal_error")
    await still_sane(caller)


async def test_a_request_may_come_one_byte_at_a_time(doorway: Doorway, caller: Caller) -> None:
    for byte in post(b"slowly", "accept: text/plain"):
        await caller.send(bytes([byte]))
        await doorway.read()
    assert (await caller.reply()).body == b"slowly"
    assert doorway.teller.asked == [b"slowly"]
    await still_sane(caller)


async def test_a_body_may_come_in_many_pieces(doorway: Doorway, caller: Caller) -> None:
    text = b"".join(b"%06d" % at for at in range(50_000))
    request = post(text)
    for start in range(0, len(request), 30_000):
        await caller.send(request[start : start + 30_000])
        await doorway.read()
    assert (await caller.reply()).body == text
    await still_sane(caller)


async def test_a_body_may_come_in_chunks(caller: Caller) -> None:
    await caller.send(chunked(b"in ", b"three ", b"chunks"))
    assert (await caller.reply()).body == b"in three chunks"
    await still_sane(caller)


async def test_a_body_in_tiny_chunks_takes_little_more_memory_than_it_counts(caller: Caller) -> None:
    request = chunked(*[b"ab"] * 100_000)
    tracemalloc.start()
    try:
        await caller.send(request)
        reply = await caller.reply()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reply.body == b"ab" * 100_000
    assert peak < 10 * len(reply.body)  # it is held by both ends here, and by what the socket brought


async def test_a_request_may_be_without_a_body(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b""))
    assert (await caller.reply()).body == b""
    assert doorway.teller.asked == [b""]
    await still_sane(caller)


@pytest.mark.parametrize("count", [2, 20])
async def test_pipelined_predictions_are_answered_once_each_and_in_order(
    doorway: Doorway, caller: Caller, count: int
) -> None:
    texts = [b"text %d" % at for at in range(count)]
    await caller.send(b"".join(map(post, texts)))
    assert [(await caller.reply()).body for _ in texts] == texts
    assert doorway.teller.asked == texts
    await still_sane(caller)


async def test_pipelined_refusals_and_faults_are_answered_in_order_with_what_follows(caller: Caller) -> None:
    texts = [b"nonsense", b"one", b"full", b"fault", b"two", b"riddle", b"three"]
    await caller.send(b"".join(map(post, texts)))
    assert [(await caller.reply()).status for _ in texts] == [400, 200, 429, 500, 200, 500, 200]
    await still_sane(caller)


async def test_a_prediction_behind_a_held_one_waits_for_it(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold one") + post(b"two"))
    await doorway.read()
    doorway.teller.release()
    assert [(await caller.reply()).body for _ in range(2)] == [b"hold one", b"two"]
    await still_sane(caller)


async def test_a_prediction_that_comes_while_another_is_held_waits_for_it(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold one"))
    await doorway.read()
    await caller.send(post(b"hold two"))
    await doorway.read()
    doorway.teller.release()
    assert (await caller.reply()).body == b"hold one"
    await doorway.teller.until(lambda: len(doorway.teller.held) == 2)
    doorway.teller.release(1)
    assert (await caller.reply()).body == b"hold two"
    await still_sane(caller)


async def test_predictions_and_other_routes_may_be_pipelined_in_any_order(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hold one") + get() + get() + post(b"two") + get() + post(b"three"))
    await doorway.read()
    doorway.teller.release()
    bodies = [(await caller.reply()).body for _ in range(6)]
    assert bodies == [b"hold one", b'"plain"', b'"plain"', b"two", b'"plain"', b"three"]
    await caller.send(get() + post(b"four"))
    assert [(await caller.reply()).body for _ in range(2)] == [b'"plain"', b"four"]
    await still_sane(caller)


async def test_answers_made_aside_come_in_their_order(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"aside") + post(b"large") + post(b"small"))
    for made in range(2):
        await doorway.teller.until(lambda made=made: len(doorway.teller.aside) > made)  # type: ignore[misc]
        doorway.teller.aside[made].set_result(None)
    assert [(await caller.reply()).body for _ in range(3)] == [b"aside", b"large", b"small"]
    assert doorway.teller.outcomes == ["ok"] * 3
    await still_sane(caller)


@pytest.mark.parametrize(
    ("target", "model"),
    [
        (b"/predict", None),
        (b"/models/iris/predict", "iris"),
        (b"/models/ir%69s/predict", "iris"),
        (b"/models/iris/predict?pretty=yes", "iris"),
        (b"http://here/models/iris/predict", "iris"),
        (b"/models/caf%C3%A9/predict", "café"),
        (b"/models/" + b"long" * 2000 + b"/predict", "long" * 2000),
    ],
)
async def test_a_target_may_be_written_in_any_way(
    doorway: Doorway, caller: Caller, target: bytes, model: str | None
) -> None:
    await caller.send(post(b"hello", target=target))
    assert (await caller.reply()).body == b"hello"
    assert doorway.teller.models == [model]
    await still_sane(caller)


async def test_targets_too_long_to_be_ours_are_not_remembered(doorway: Doorway, caller: Caller) -> None:
    await caller.send(post(b"hello", target=b"/" + b"long" * 2000))
    assert (await caller.reply()).status == 404
    assert doorway.ways.find.cache_info().currsize == 0
    await still_sane(caller)


@pytest.mark.parametrize("mark", [b"?", b"#"])
async def test_a_query_or_fragment_is_no_part_of_a_models_name(doorway: Doorway, caller: Caller, mark: bytes) -> None:
    await caller.send(post(b"hello", target=b"/models/iris" + mark + b"/predict"))
    assert (await caller.reply()).status == 404
    assert doorway.teller.models == []


async def test_a_target_that_is_not_ascii_is_refused_and_the_connection_closed(caller: Caller) -> None:
    await caller.send(post(b"hello", target="/models/café/predict".encode()))
    assert (await caller.reply()).status == 400
    assert await caller.rest() == b""


async def test_another_path_is_not_found(caller: Caller) -> None:
    await caller.send(post(b"hello", target=b"/predict/"))
    assert (await caller.reply()).status in (307, 404)
    await caller.send(post(b"hello", target=b"/predicted"))
    assert (await caller.reply()).status == 404
    await still_sane(caller)


async def test_another_method_is_not_allowed(doorway: Doorway, caller: Caller) -> None:
    await caller.send(get(target=b"/predict"))
    reply = await caller.reply()
    assert (reply.status, reply.body) == (405, b"method_not_allowed")
    assert doorway.teller.asked == []
    await still_sane(caller)


async def test_a_caller_that_wants_to_be_told_to_continue_is_told(doorway: Doorway, caller: Caller) -> None:
    head, body = post(b"hello", "expect: 100-continue").split(b"\r\n\r\n")
    await caller.send(head + b"\r\n\r\n")
    assert (await caller.reply()).line == b"HTTP/1.1 100 Continue"
    assert doorway.teller.asked == []
    await caller.send(body)
    assert (await caller.reply()).body == b"hello"
    await still_sane(caller)


async def test_a_stream_comes_in_pieces(caller: Caller) -> None:
    await caller.send(post(b"hello", "accept: text/event-stream"))
    reply = await caller.reply()
    assert reply.headers[b"content-type"] == b"text/event-stream"
    assert reply.body == b"data: hello\n\nevent: done\ndata: {}\n\n"
    await still_sane(caller)


@pytest.mark.parametrize("text", [b"split", b"large split"])
async def test_a_header_that_would_split_the_answer_makes_it_a_fault_of_ours(
    doorway: Doorway, caller: Caller, text: bytes
) -> None:
    await caller.send(post(text))
    if text.startswith(b"large"):
        await doorway.teller.until(lambda: doorway.teller.aside)
        doorway.teller.aside[0].set_result(None)
    reply = await caller.reply()
    assert (reply.status, reply.body) == (500, b"internal_error")
    assert b"x-split" not in reply.headers
    assert doorway.bodies.held == 0
    await still_sane(caller)


async def test_what_is_no_http_is_refused_and_the_connection_closed(caller: Caller) -> None:
    await caller.send(b"\x16\x03\x01\x02\x00 garbage\r\n\r\n")
    reply = await caller.reply()
    assert (reply.status, reply.headers[b"connection"]) == (400, b"close")
    assert await caller.rest() == b""


UPGRADE = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk")


async def test_an_upgrade_that_we_do_not_know_is_answered_without_it_and_nothing_after(caller: Caller) -> None:
    await caller.send(get(*UPGRADE))
    assert (await caller.reply()).body == b'"plain"'
    assert await caller.rest() == b""


async def test_the_body_of_what_asks_for_an_upgrade_is_never_read_as_a_request(caller: Caller) -> None:
    await caller.send(post(get(), *UPGRADE))
    assert (await caller.reply()).headers[b"connection"] == b"close"
    assert await caller.rest() == b""
