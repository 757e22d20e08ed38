"""The kinds of metrics that Prometheus' own library has not: counted in plain Python, or read when they are asked for.

One event loop owns it all, so there is nothing to lock. Each says its name, kind, labels and help before it has a
single series, as the library's own do.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Samples = Iterable[tuple[tuple[str, ...], float]]  # the labels' values of each series, and its own

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BOUNDS = [*map(str, SECONDS), "+Inf"]
_REVISIONS = 32  # of a model that are counted apart: who releases every minute for a year has no more series


class Seconds:
    """One series of `Timings`; cheap to add to."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds


class Timings(Collector):
    """A histogram of seconds."""

    def __init__(self, name: str, told: str, labels: Sequence[str] = ()) -> None:
        self._name, self._told, self._labelnames = name, told, labels
        self._series: dict[tuple[str, ...], Seconds] = {}

    def series(self, *labels: str) -> Seconds:
        """That of these labels, always the same one."""
        one = self._series.get(labels)
        if one is None:
            one = self._series[labels] = Seconds()
        return one

    def describe(self) -> Iterator[Metric]:
        yield HistogramMetricFamily(self._name, self._told, labels=self._labelnames)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._told, labels=self._labelnames)
        for labels, one in self._series.items():
            family.add_metric(labels, list(zip(_BOUNDS, accumulate(one.counts), strict=True)), one.total)
        yield family


class Requests(Collector):
    """A counter of requests by model, revision, outcome, and the `fault` that an outcome tells of.

    The oldest revisions of a model that has had many are forgotten; their requests are long counted by whoever asks.
    """

    _labelnames = ("model", "revision", "outcome", "fault")

    def __init__(self, name: str, told: str) -> None:
        self.fault: Callable[[str], str] = lambda outcome: ""
        self._name, self._told = name, told
        self._counts: dict[tuple[str, str], dict[str, int]] = {}

    def count(self, model: str, revision: str, outcome: str) -> None:
        """One more."""
        outcomes = self._counts.get((model, revision))
        if outcomes is None:
            outcomes = self.expect(model, revision)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def expect(self, model: str, revision: str) -> dict[str, int]:
        """There may be requests of this release: their counter begins, at 0, so that the first one is an increase."""
        if (model, revision) not in self._counts:
            known = [one for one in self._counts if one[0] == model]
            for oldest in known[: max(0, len(known) - _REVISIONS + 1)]:
                del self._counts[oldest]
        return self._counts.setdefault((model, revision), {"ok": 0} if model else {})

    def describe(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._told, labels=self._labelnames)

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._told, labels=self._labelnames)
        for release, outcomes in self._counts.items():
            for outcome, count in outcomes.items():
                family.add_metric((*release, outcome, self.fault(outcome)), count)
        yield family


class Read(Collector):
    """What other rooms know, read when the metrics are asked for; where several know a series, `whole` joins them."""

    _family: type[GaugeMetricFamily] | type[CounterMetricFamily] = GaugeMetricFamily

    def __init__(
        self,
        name: str,
        told: str,
        labels: Sequence[str] = (),
        whole: Callable[[Sequence[float]], float] = sum,
    ) -> None:
        self._name, self._told, self._labelnames, self._whole = name, told, labels, whole
        self._sources: dict[Callable[[], Samples], None] = {}

    def add(self, source: Callable[[], Samples]) -> None:
        """Ask this one too, from now on."""
        self._sources[source] = None

    def remove(self, source: Callable[[], Samples]) -> None:
        """Ask it no more."""
        self._sources.pop(source, None)

    def tell(self, value: Callable[[], float]) -> None:
        """The one series of a metric without labels."""
        self.add(lambda: [((), value())])

    def describe(self) -> Iterator[Metric]:
        yield self._family(self._name, self._told, labels=self._labelnames)

    def collect(self) -> Iterator[Metric]:
        found: dict[tuple[str, ...], list[float]] = {}
        for source in self._sources:
            for labels, value in source():
                found.setdefault(labels, []).append(value)
        family = self._family(self._name, self._told, labels=self._labelnames)
        for labels, values in found.items():
            family.add_metric(labels, self._whole(values))
        yield family


class Counted(Read):
    """A counter that others keep."""

    _family = CounterMetricFamily
