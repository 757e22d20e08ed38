"""What /metrics says of the models, as figures: rates, errors, latencies, the queue. Text of Prometheus in, data out.

Between two looks, what happened in between; of one look alone, all since the server began. A quantile is read off a
histogram as Prometheus does: evenly spread within its bucket. Pure.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """How long one stage took: the median and the 99th percentile, in seconds; None where nothing was measured."""

    median: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one model: requests and errors a second, errors by code, rows that wait, seconds by stage."""

    requests: float = 0.0
    rate: float = 0.0
    errors: Mapping[str, float] = field(default_factory=dict)
    waiting: float = 0.0
    stages: Mapping[str, Stage] = field(default_factory=dict)


Samples = Mapping[str, Mapping[_Labels, float]]


def samples(text: str) -> Samples:
    """The values by name and labels."""
    found: dict[str, dict[_Labels, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name][tuple(sorted(one.labels.items()))] = one.value
    return found


def between(before: Samples, after: Samples, seconds: float) -> dict[str, Figures]:
    """By model, what happened in so many seconds from `before`, which may be empty, to `after`."""
    counts, waiting = _grown(before, after, "pinion_requests_total"), after.get("pinion_queue_rows", {})
    models = {dict(labels).get("model", "") for labels in (*counts, *waiting)} - {""}
    return {model: _of(model, counts, waiting, _stages(before, after, model), seconds) for model in sorted(models)}


def _of(
    model: str,
    counts: Mapping[_Labels, float],
    waiting: Mapping[_Labels, float],
    stages: Mapping[str, Stage],
    seconds: float,
) -> Figures:
    by_outcome: dict[str, float] = defaultdict(float)
    for labels, value in counts.items():
        named = dict(labels)
        if named.get("model") == model:
            by_outcome[named["outcome"]] += value
    requests = sum(by_outcome.values())
    errors = {outcome: value for outcome, value in sorted(by_outcome.items()) if outcome != "ok" and value > 0}
    rows = sum(value for labels, value in waiting.items() if dict(labels).get("model") == model)
    return Figures(requests, round(requests / seconds, 2) if seconds > 0 else 0.0, errors, rows, stages)


def _stages(before: Samples, after: Samples, model: str) -> dict[str, Stage]:
    buckets: dict[str, dict[float, float]] = defaultdict(dict)
    for labels, value in _grown(before, after, "pinion_stage_seconds_bucket").items():
        named = dict(labels)
        if named.get("model") == model:
            buckets[named["stage"]][float(named["le"])] = value
    told = {stage: Stage(_quantile(0.5, found), _quantile(0.99, found)) for stage, found in buckets.items()}
    return {stage: one for stage, one in sorted(told.items()) if one.median is not None}


def _grown(before: Samples, after: Samples, name: str) -> dict[_Labels, float]:
    """How much each counter of this name has grown; from nothing, where the server began anew meanwhile."""
    old = before.get(name, {})
    return {
        labels: value - (old.get(labels, 0.0) if old.get(labels, 0.0) <= value else 0.0)
        for labels, value in after.get(name, {}).items()
    }


def _quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    bounds = sorted(buckets)
    whole = buckets[bounds[-1]] if bounds else 0.0
    if whole <= 0:
        return None
    low, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= share * whole:
            inside = buckets[bound] - below
            if bound == float("inf") or inside <= 0:
                return low
            return low + (bound - low) * (share * whole - below) / inside
        low, below = bound, buckets[bound]
    return low
