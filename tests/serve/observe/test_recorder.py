"""Recording never holds anyone up: what can't be written is dropped, counted, and tried again later."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from serve.journey import Journey, Notes
from serve.metrics import Metrics
from serve.observe.files import SCHEMA
from serve.observe.recorder import Recorder
from serve.observe.seen import LEFT, Answered, Asked, Seen
from tests.fakes import FakeClock

HEADERS = {"content-type": "application/octet-stream", "accept": "*/*", "inference-header-content-length": "17"}
ASKED = Asked("POST", "/v2/models/m/infer", "/v2/models/{name}/infer", "ci", HEADERS, predicts=True)
LINEAGE = {"x-model-name": "m", "x-model-digest": "sha256:0", "x-model-revision": "abc", "x-model-run": "42"}


class Shelf:
    """In the place of `Files`: keeps rows; fails or waits where it is told to."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.fails = False
        self.lets = threading.Event()
        self.lets.set()
        self.tried = threading.Semaphore(0)
        self.finished = self.dropped = 0

    def sweep(self) -> None:
        self._work()

    def write(self, rows: Sequence[tuple[Any, ...]], size: int) -> None:
        self.lets.wait(30)
        try:
            self._work()
            self.rows.extend(rows)
        finally:
            self.tried.release()

    def finish_if_due(self) -> None:
        self._work()

    def finish(self) -> None:
        self.finished += 1

    def drop(self) -> None:
        self.dropped += 1

    def _work(self) -> None:
        if self.fails:
            raise OSError(28, "No space left on device")


class Desk:
    """A recorder that writes to a shelf."""

    def __init__(self, ratio: float = 1.0, chance: Callable[[], float] = lambda: 0.5) -> None:
        self.shelf, self.clock, self.metrics = Shelf(), FakeClock(), Metrics(CollectorRegistry())
        files: Any = self.shelf
        self.recorder = Recorder(files, ratio, 1000, self.metrics, self.clock, chance)

    def see(self, question: bytes | None = b"asked", answer: bytes | None = b"told", status: int = 200) -> None:
        notes = Notes(self, 0.0, ASKED)
        if self.recorder.wants(Journey("order-7")):
            self.recorder.begin(Journey("order-7"), notes, ASKED)
        notes.question = question
        answered = Answered(status, "application/octet-stream", 4, LINEAGE, answer)
        self.recorder.seen(Seen(Journey("order-7"), notes, ASKED, answered, 0.25))

    most_bytes = 1000

    def batched(self, batch: object) -> None:
        """Nothing is batched here."""

    def count(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("pinion_unrecorded_requests_total", {"reason": reason}) or 0.0

    @property
    def recorded(self) -> float:
        return self.metrics.registry.get_sample_value("pinion_recorded_requests_total") or 0.0

    @property
    def is_on(self) -> bool:
        return bool(self.metrics.registry.get_sample_value("pinion_recording"))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_row_has_what_was_asked_and_answered_by_whom_and_how_to_ask_it_again(desk: Desk) -> None:
    desk.recorder.start()
    desk.see()
    desk.recorder.close()
    (row,) = desk.shelf.rows
    found = dict(zip(SCHEMA.names, row, strict=True))
    assert found.pop("time").tzinfo is not None
    assert found == {
        "request_id": "order-7",
        "path": "/v2/models/m/infer",
        "status": 200,
        "seconds": 0.25,
        "rows": None,
        "model": "m",
        "digest": "sha256:0",
        "revision": "abc",
        "run": "42",
        "content_type": "application/octet-stream",
        "accept": "*/*",
        "json_bytes": 17,
        "request": b"asked",
        "answer_content_type": "application/octet-stream",
        "answer": b"told",
    }
    assert (desk.recorded, desk.shelf.finished) == (1, 1)


def test_of_a_ratio_only_those_are_recorded_that_chance_takes() -> None:
    drawn = iter([0.1, 0.2, 0.3, 0.05])
    desk = Desk(0.2, lambda: next(drawn))
    desk.recorder.start()
    for _ in range(4):
        desk.see()
    desk.recorder.close()
    assert len(desk.shelf.rows) == 2


def test_what_is_no_prediction_or_has_no_answer_is_not_recorded(desk: Desk) -> None:
    desk.recorder.start()
    notes = Notes(desk, 0.0, ASKED)
    desk.recorder.begin(Journey("a"), notes, ASKED._replace(predicts=False))
    assert not notes.is_recorded
    desk.see(status=LEFT)
    desk.recorder.close()
    assert desk.shelf.rows == []


@pytest.mark.parametrize(
    "body", [{"question": b"x" * 1001}, {"answer": b"x" * 1001}, {"question": None}, {"answer": None}]
)
def test_a_body_that_is_too_large_is_left_out_and_counted(desk: Desk, body: dict[str, bytes | None]) -> None:
    desk.recorder.start()
    desk.see(**body)  # type: ignore[arg-type]
    desk.recorder.close()
    assert (desk.shelf.rows, desk.count("too_large")) == ([], 1)


def test_what_comes_faster_than_it_is_written_is_dropped_and_nobody_waits(desk: Desk) -> None:
    desk.shelf.lets.clear()
    desk.recorder.start()
    for _ in range(30_000):
        desk.see(b"x" * 1000, b"x" * 1000)
    dropped = desk.count("queue_full")
    assert 10_000 < dropped < 30_000
    desk.shelf.lets.set()
    desk.recorder.close()
    assert len(desk.shelf.rows) == 30_000 - dropped


def test_a_disk_that_is_full_stops_it_with_one_line_until_it_is_tried_again(desk: Desk) -> None:
    with capture_logs() as logged:
        desk.recorder.start()
        desk.shelf.fails = True
        desk.see()
        assert desk.shelf.tried.acquire(timeout=30)
        for _ in range(3):
            desk.see()
        while desk.count("disk") < 4:
            desk.shelf.tried.acquire(timeout=0.05)
        assert (desk.is_on, desk.shelf.rows) == (False, [])
        desk.shelf.fails = False
        desk.clock.advance(31.0)
        desk.see()
        assert desk.shelf.tried.acquire(timeout=30)
        desk.recorder.close()
    assert [one["event"] for one in logged] == ["recording stopped", "recording goes on"]
    assert "No space left on device" in logged[0]["reason"]
    assert (desk.is_on, len(desk.shelf.rows), desk.recorded) == (True, 1, 1)


def test_a_folder_that_can_not_be_made_is_said_at_once(desk: Desk) -> None:
    desk.shelf.fails = True
    with capture_logs() as logged:
        desk.recorder.start()
        desk.recorder.close()
    assert [one["event"] for one in logged] == ["recording stopped"]
    assert not desk.is_on
