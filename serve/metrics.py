"""Every Prometheus metric of the server, declared once on an explicit registry.

Built in `app.py` and handed to the rooms. What every request touches is counted in plain Python and read when it is
asked for: one event loop owns it all, so there is nothing to lock. Labels are names of models, git revisions and
fixed words only, so no caller can grow the number of series. The same words stand in logs and in answers.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Seconds:
    """The series of one model's stage; cheap to add to."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds


class Stages(Collector):
    """A histogram of the seconds spent in each stage."""

    def __init__(self, name: str, told: str) -> None:
        self._name, self._told = name, told
        self._series: dict[tuple[str, str], Seconds] = {}

    def series(self, model: str, stage: str) -> Seconds:
        """That of a model's stage, always the same one."""
        one = self._series.get((model, stage))
        if one is None:
            one = self._series[model, stage] = Seconds()
        return one

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._told, labels=["model", "stage"])
        bounds = [*map(str, _SECONDS), "+Inf"]
        for labels, one in self._series.items():
            family.add_metric(labels, list(zip(bounds, accumulate(one.counts), strict=True)), one.total)
        yield family


class Requests(Collector):
    """A counter of requests by model, revision and outcome."""

    def __init__(self, name: str, told: str) -> None:
        self._name, self._told = name, told
        self._counts: dict[tuple[str, str, str], int] = {}

    def count(self, model: str, revision: str, outcome: str) -> None:
        """One more."""
        labels = (model, revision, outcome)
        self._counts[labels] = self._counts.get(labels, 0) + 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._told, labels=["model", "revision", "outcome"])
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class Kept(Collector):
    """A counter that another room keeps: `count` is asked for it."""

    def __init__(self, name: str, told: str) -> None:
        self._name, self._told = name, told
        self.count: Callable[[], int] = lambda: 0

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._told, self.count())


class Metrics:
    """The server's metrics, all on `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Requests(
            "pinion_requests", "Inference requests by model, revision and outcome ('ok' or an error code)."
        )
        self.stages = Stages(
            "pinion_stage_seconds",
            "Seconds a request spent in each stage: parse, queue, predict or first_chunk, encode.",
        )
        self.lost_lines = Kept(
            "pinion_log_lost_lines", "Lines of the log that were lost, in part or whole: nobody took them."
        )
        for one in (self.requests, self.stages, self.lost_lines):
            registry.register(one)
        self.chunks = Counter("pinion_chunks", "Chunks of streamed answers.", ["model"], registry=registry)
        self.batch_rows = Histogram(
            "pinion_batch_rows", "Rows in each batch given to a worker.", ["model"], buckets=_ROWS, registry=registry
        )
        self.in_flight = Gauge(
            "pinion_requests_in_flight", "Inference requests taken and not answered yet.", registry=registry
        )
        self.dropped_rows = Counter(
            "pinion_dropped_rows",
            "Rows that left the queue for no worker: their callers were gone ('cancelled') or past their 'deadline'.",
            ["model", "reason"],
            registry=registry,
        )
        self.queue_rows = Gauge("pinion_queue_rows", "Rows waiting for a worker.", ["model"], registry=registry)
        self.workers = Gauge("pinion_workers", "Workers by state.", ["model", "digest", "state"], registry=registry)
        self.worker_deaths = Counter(
            "pinion_worker_deaths", "Workers that died without being asked to.", ["model"], registry=registry
        )
        self.worker_recycles = Counter(
            "pinion_worker_recycles", "Workers replaced for the memory they took.", ["model"], registry=registry
        )
        self.rollouts = Counter(
            "pinion_rollouts",
            "Releases tried, by outcome ('live', 'superseded' or an error code).",
            ["outcome"],
            registry=registry,
        )
        self.dropped_spans = Counter(
            "pinion_dropped_spans", "Spans that were not sent: too many waited, or nobody took them.", registry=registry
        )
        self.recorded = Counter("pinion_recorded_requests", "Predictions that were recorded.", registry=registry)
        self.unrecorded = Counter(
            "pinion_unrecorded_requests",
            "Predictions that were to be recorded and were not: 'queue_full', 'disk' or 'too_large'.",
            ["reason"],
            registry=registry,
        )
        self.recording = Gauge(
            "pinion_recording", "1 while predictions are recorded, 0 where that is off or failed.", registry=registry
        )
        self.live = Gauge(
            "pinion_live_model_info",
            "1 for each model of the live release.",
            ["model", "digest", "revision", "run"],
            registry=registry,
        )
