import asyncio

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from serve.worker.output import Output
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(0.0)


@pytest.fixture
def output(clock: FakeClock) -> Output:
    return Output("digits", "stdout", clock)


def lines(logged: list[EventDict]) -> list[str]:
    return [str(one["line"]) for one in logged if one["event"] == "model printed"]


def dropped(logged: list[EventDict]) -> int:
    return sum(one["dropped_bytes"] for one in logged if one["event"] == "model printed too much")


def test_a_line_each_and_none_for_empty_ones(output: Output) -> None:
    with capture_logs() as logged:
        output.tell(b"one\n\n  \ntwo \xff\n")
    assert lines(logged) == ["one", "two �"]
    assert logged[0]["model"] == "digits"
    assert logged[0]["stream"] == "stdout"


@pytest.mark.parametrize("line", [b"x\n", b"x" * 1023 + b"\n", b"x" * 2**16], ids=["short", "a kB", "one without end"])
def test_of_a_flood_the_log_takes_a_quarter_of_a_megabyte_and_the_rest_is_counted(output: Output, line: bytes) -> None:
    chunk = (line * (2**16 // len(line)))[: 2**16]
    with capture_logs() as logged:
        for _ in range(1024):
            output.tell(chunk)
    assert sum(len(one) + 256 for one in lines(logged)) <= 257 * 2**10
    assert len(lines(logged)) >= 4


def test_in_time_it_is_heard_again_and_what_was_missed_is_said(output: Output, clock: FakeClock) -> None:
    with capture_logs() as logged:
        output.tell(b"x" * 2**20)
        output.tell(b"not heard\n")
        assert dropped(logged) == 0
        clock.advance(1.0)
        output.tell(b"heard\n")
    assert dropped(logged) == 2**20 - 2**18 + len(b"not heard\n")
    assert lines(logged)[-1] == "heard"


async def test_what_was_missed_is_said_at_the_end(output: Output) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"x" * 2**19)
    stream.feed_eof()
    with capture_logs() as logged:
        await output.relay(stream)
    assert dropped(logged) + sum(map(len, lines(logged))) == 2**19
    assert dropped(logged) > 2**17


def of_batch(number: int) -> dict[str, list[str]]:
    return {"requests": [f"of {number}"]} if number else {}


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_line_names_the_requests_of_the_batch_that_its_mark_says(clock: FakeClock, size: int) -> None:
    printed = b"loading\n\x1e1\x1eone\ntwo\n\x1e0\x1ebetween\n\x1e12\x1ethree\n"
    output = Output("digits", "stdout", clock, of_batch)
    with capture_logs() as logged:
        for at in range(0, len(printed), size):
            output.tell(printed[at : at + size])
    told = [(str(one["line"]), one.get("requests")) for one in logged]
    if size == 1000:
        expected = [("loading", None), ("one", ["of 1"]), ("two", ["of 1"]), ("between", None), ("three", ["of 12"])]
        assert told == expected
    else:  # lines come in pieces, as they are printed
        pieces: dict[str, str] = {}
        for line, whose in told:
            pieces[str(whose)] = pieces.get(str(whose), "") + line
        assert pieces == {"None": "loadingbetween", "['of 1']": "onetwo", "['of 12']": "three"}


def test_what_looks_like_a_mark_and_is_none_is_printed(output: Output) -> None:
    with capture_logs() as logged:
        output.tell(b"a\x1eb\x1e1234567890123\x1ec\n")
    assert "".join(lines(logged)).replace("\x1e", "|") in ("a|b|1234567890123|c", "ab1234567890123c")
