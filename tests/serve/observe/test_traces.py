"""Spans of requests and batches, as a collector takes them; and one that can't be reached, which nobody waits for."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from structlog.testing import capture_logs

from serve.journey import Batched, Journey, Notes, Parent, begin, made
from serve.observe.outgoing import Outgoing, to_collector
from serve.observe.seen import LEFT, Answered, Asked, Seen
from serve.observe.traces import Traces
from tests.collector import Collector, attributes, collecting
from tests.forms import TIMED, within

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ASKED = Asked("POST", "/models/m/predict", "/models/{name}/predict", "ci", {}, predicts=True)
LINEAGE = {"x-model-name": "m", "x-model-digest": "sha256:0", "x-model-revision": "abc", "x-model-run": "42"}


class Road:
    """Requests that are watched by traces on their way to a collector."""

    most_bytes = 0

    def __init__(self, collector: str, ratio: float, most: int = 4096) -> None:
        self.dropped = 0
        self.outgoing: Outgoing = to_collector(collector, most, self._drop)
        self.traces = Traces(self.outgoing, ratio, "1.2.3")

    def begin(self, journey: Journey, began: float | None = None) -> Notes:
        notes = journey.notes = Notes(self, began or time.monotonic(), ASKED)
        if self.traces.wants(journey):
            self.traces.begin(journey, notes, ASKED)
        return notes

    def batched(self, batch: Batched) -> None:
        self.traces.batched(batch)

    def end(self, journey: Journey, status: int = 200) -> None:
        notes = journey.notes
        assert notes is not None
        answered = Answered(status, "application/json", 9, LINEAGE if status == 200 else {})
        self.traces.seen(Seen(journey, notes, ASKED, answered, time.monotonic() - notes.began))

    def _drop(self, spans: int) -> None:
        self.dropped += spans


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture
def road(collector: Collector) -> Iterator[Road]:
    one = Road(collector.endpoint, 1.0)
    yield one
    one.outgoing.shutdown()


def called(sampled: str = "01") -> Journey:
    return begin({b"traceparent": f"00-{TRACE}-{SPAN}-{sampled}".encode()})


def seconds(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


def test_a_requests_span_is_its_callers_child_and_says_what_was_asked_and_answered(
    collector: Collector, road: Road
) -> None:
    journey = called()
    notes = road.begin(journey, time.monotonic() - 0.5)
    notes.rows = 3
    road.end(journey)
    road.outgoing.shutdown()
    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert (span.name, span.kind) == ("POST /models/{name}/predict", Span.SPAN_KIND_SERVER)
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": "/models/{name}/predict",
        "url.path": "/models/m/predict",
        "http.response.status_code": 200,
        "http.response.body.size": 9,
        "enduser.id": "ci",
        "pinion.request_id": TRACE,
        "pinion.model.name": "m",
        "pinion.model.digest": "sha256:0",
        "pinion.model.revision": "abc",
        "pinion.model.run": "42",
        "pinion.rows": 3,
    }
    assert 0.5 <= seconds(span) < 5
    assert abs(span.end_time_unix_nano / 1e9 - time.time()) < 60
    assert collector.resource["service.name"] == "pinion"
    assert collector.resource["service.version"] == "1.2.3"


def test_queue_and_model_are_spans_within_it_and_linked_to_the_batch_as_the_batch_is_to_them(
    collector: Collector, road: Road
) -> None:
    journeys = [called(), made()]
    for journey in journeys:
        notes = road.begin(journey)
        notes.arrived, notes.sent, notes.answered = 10.0, 10.2, 10.7
    both = [one.notes for one in journeys if one.notes is not None]
    road.batched(Batched("m", 5, 40, both, 10.2, 10.7, 0.45))
    for journey in journeys:
        road.end(journey)
    road.outgoing.shutdown()
    (batch,) = collector.named("batch")
    servers = {one.span_id: one for one in collector.spans if one.kind == Span.SPAN_KIND_SERVER}
    assert {link.span_id for link in batch.links} == servers.keys()
    assert {link.trace_id.hex() for link in batch.links} == {one.id for one in journeys}
    assert batch.trace_id not in {one.trace_id for one in servers.values()}
    assert attributes(batch) == {
        "pinion.model.name": "m",
        "pinion.batch.requests": 5,
        "pinion.batch.rows": 40,
        "pinion.predict.seconds": 0.45,
    }
    for name, took in (("queue", 0.2), ("predict", 0.5)):
        spans = collector.named(name)
        assert {one.parent_span_id for one in spans} == servers.keys()
        assert all(one.trace_id == servers[one.parent_span_id].trace_id for one in spans)
        assert [round(seconds(one), 3) for one in spans] == [took, took]
    for one in collector.named("predict"):
        assert [(link.trace_id, link.span_id) for link in one.links] == [(batch.trace_id, batch.span_id)]


@pytest.mark.parametrize(("status", "fails", "kind"), [(500, True, "500"), (422, False, None), (LEFT, False, "499")])
def test_a_fault_of_the_server_is_an_error_and_one_of_the_callers_is_none(
    collector: Collector, road: Road, status: int, fails: bool, kind: str | None
) -> None:
    journey = made()
    road.begin(journey)
    road.end(journey, status)
    road.outgoing.shutdown()
    (span,) = collector.spans
    assert (span.status.code == Status.STATUS_CODE_ERROR) == fails
    assert attributes(span).get("error.type") == kind


def test_the_number_of_a_trace_that_begins_here_is_the_requests_id(collector: Collector, road: Road) -> None:
    journey, named = made(), begin({b"x-request-id": b"order-7"})
    for one in (journey, named):
        road.begin(one)
        road.end(one)
    road.outgoing.shutdown()
    by_id = {attributes(one)["pinion.request_id"]: one.trace_id.hex() for one in collector.spans}
    assert by_id[journey.id] == journey.id
    assert len(by_id["order-7"]) == 32


@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_without_a_parent_a_ratio_is_sampled_and_with_one_what_it_says(collector: Collector, ratio: float) -> None:
    road = Road(collector.endpoint, ratio)
    sampled = sum(bool(road.begin(made()).span) for _ in range(4000))
    named = sum(bool(road.begin(begin({b"x-request-id": b"a" * 32})).span) for _ in range(1000))
    assert abs(sampled / 4000 - ratio) < 0.05
    assert abs(named / 1000 - ratio) < 0.1
    assert road.begin(called("01")).span is not None
    assert road.begin(called("00")).span is None
    road.outgoing.shutdown()


def test_what_is_not_sampled_leaves_no_trace_of_its_batch(collector: Collector) -> None:
    road = Road(collector.endpoint, 0.0)
    journey = made()
    notes = road.begin(journey)
    road.batched(Batched("m", 1, 1, [notes], 1.0, 2.0, 1.0))
    road.end(journey)
    road.outgoing.shutdown()
    assert (collector.requests, notes.trace_id) == (0, "")


def test_a_collector_that_fails_costs_spans_and_two_lines_of_the_log(collector: Collector, road: Road) -> None:
    def one() -> None:
        journey = made()
        road.begin(journey)
        road.end(journey)
        road.outgoing.force_flush()

    with capture_logs() as logged:
        collector.fails = True
        for count in (1, 2):
            one()
            collector.asked(count)
        collector.fails = False
        one()
        collector.wait(1)
        road.outgoing.shutdown()
    assert road.dropped == 2
    assert [one["event"] for one in logged] == ["traces are not taken: the collector fails", "traces are taken again"]


@TIMED
def test_a_collector_that_hangs_or_is_not_there_holds_nobody_up(collector: Collector) -> None:
    collector.lets.clear()
    for endpoint in (collector.endpoint, "http://127.0.0.1:9"):
        road, began = Road(endpoint, 1.0, most=100), time.monotonic()
        for _ in range(1000):
            journey = made()
            road.begin(journey)
            road.end(journey)
        assert time.monotonic() - began < within(2.0)
        assert road.dropped >= 300, "of a thousand, a hundred may wait and some be on their way"
        road.outgoing.shutdown()
        assert time.monotonic() - began < within(6.0)


def test_where_traces_and_recordings_are_off_nothing_of_them_is_imported() -> None:
    asked = """
import sys
from pathlib import Path
from serve import app
from serve.settings import Settings
from serve.observers import Observers
from serve.commands import serving
Observers(Settings(), app.make_metrics(), "1.2.3")
theirs = ("opentelemetry.sdk", "opentelemetry.exporter", "requests")  # FastAPI imports OpenTelemetry's bare API
print([name for name in (*theirs, "serve.observe.traces", "serve.observe.files") if name in sys.modules])
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", asked], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_parents_are_read_as_they_are_sent() -> None:
    assert called().parent == Parent(int(TRACE, 16), int(SPAN, 16), True)
