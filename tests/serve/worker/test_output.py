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
