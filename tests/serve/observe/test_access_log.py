"""A line for each request, many at once, with what is known and nothing that is to stay secret."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import structlog

from serve import log
from serve.journey import Journey, Notes
from serve.observe.access_log import AccessLog
from serve.observe.seen import Answered, Asked, Seen

ASKED = Asked("POST", "/models/digits/predict", "/models/{name}/predict", "ci", {"accept": "*/*"}, predicts=True)
LINEAGE = {"x-model-name": "digits", "x-model-digest": "sha256:0", "x-model-revision": "abc", "x-model-run": "42"}


class Watcher:
    most_bytes = 0

    def batched(self, batch: object) -> None:
        """Nothing is batched here."""


def seen(asked: Asked = ASKED, status: int = 200, rows: int = 2, lineage: dict[str, str] = LINEAGE) -> Seen:
    notes = Notes(Watcher(), 0.0, asked)
    notes.rows = rows
    return Seen(Journey("order-7"), notes, asked, Answered(status, "application/json", 9, lineage), 0.12345678)


class Paper:
    """What is written on it, by the handful."""

    def __init__(self) -> None:
        self.handfuls: list[Sequence[dict[str, Any]]] = []
        self.written = asyncio.Event()

    def write(self, lines: Sequence[dict[str, Any]]) -> None:
        self.handfuls.append(lines)
        self.written.set()


async def test_lines_are_written_together_a_moment_later() -> None:
    paper = Paper()
    lines = AccessLog(paper.write, lambda: 0.0)
    for _ in range(3):
        lines.seen(seen())
    assert paper.handfuls == []
    async with asyncio.timeout(5):
        await paper.written.wait()
    assert [len(one) for one in paper.handfuls] == [3]


async def test_no_more_lines_are_held_than_are_written_at_once() -> None:
    paper = Paper()
    lines = AccessLog(paper.write)
    for _ in range(1025):
        lines.seen(seen())
    assert [len(one) for one in paper.handfuls] == [512, 512]
    lines.flush()
    assert len(paper.handfuls[-1]) == 1


async def test_a_line_tells_what_is_known() -> None:
    paper = Paper()
    lines = AccessLog(paper.write, lambda: 1.5)
    lines.seen(seen())
    lines.seen(seen(Asked("", "/x", "", "", {}, predicts=False), 400, 0, {}))
    lines.flush()
    assert paper.handfuls[0][0] == {
        "event": "request",
        "level": "info",
        "timestamp": "1970-01-01T00:00:01.500000Z",
        "request_id": "order-7",
        "method": "POST",
        "route": "/models/{name}/predict",
        "status": 200,
        "bytes": 9,
        "seconds": 0.123457,
        "caller": "ci",
        "model": "digits",
        "revision": "abc",
        "rows": 2,
    }
    assert paper.handfuls[0][1].keys().isdisjoint({"caller", "model", "revision", "rows", "trace_id"})


async def test_a_request_that_failed_names_the_model_that_was_asked() -> None:
    paper = Paper()
    lines = AccessLog(paper.write)
    failed = seen(lineage={})
    failed.notes.lineage = (("x-model-name", "digits"), ("x-model-revision", "abc"))
    lines.seen(failed)
    lines.flush()
    assert (paper.handfuls[0][0]["model"], paper.handfuls[0][0]["revision"]) == ("digits", "abc")


@pytest.fixture(params=["json", "text"])
def form(request: pytest.FixtureRequest) -> Iterator[log.Form]:
    log.configure(form=request.param)
    yield request.param
    log.configure()
    structlog.reset_defaults()


async def test_lines_are_written_in_the_form_of_the_log(form: log.Form, capfd: pytest.CaptureFixture[str]) -> None:
    lines = AccessLog()
    for _ in range(2):
        lines.seen(seen())
    structlog.get_logger().info("another")
    lines.flush()
    another, *written = capfd.readouterr().err.splitlines()
    assert len(written) == 2
    if form == "json":
        assert list(json.loads(written[0])) == sorted(json.loads(written[0]))
        assert json.loads(written[0])["request_id"] == "order-7"
        assert json.loads(another).keys() <= json.loads(written[0]).keys()
    else:
        assert all(word in written[0] for word in ("request", "order-7", "digits"))
        assert not written[0].startswith("{")
