"""docs/metrics.md from the metrics themselves: `python docs/generate_metrics.py > docs/metrics.md`."""

import sys
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from serve.metrics import Metrics

HEAD = """# Metrics

`GET /metrics`, as Prometheus reads it; who asks needs the scope `metrics` where there are keys ([who may
ask](http.md#who-may-ask)). Times are in seconds, sizes in bytes. [deploy/](../deploy/prometheus/README.md) has a scrape
configuration, alerts and a dashboard made of these, [the runbook](runbook.md) what to do when one of them fires.

A histogram has `_bucket`, `_sum` and `_count` behind its name. `model` is a live model's name, `revision` the commit
that pinned it, `digest` that of its bytes, `worker` a number from 0 on. No label is anything that a caller wrote.

| metric | kind | labels | what it tells |
|---|---|---|---|"""


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    for one in Metrics(CollectorRegistry()).declared:
        for family in one.describe():  # type: ignore[attr-defined]  # each of them has it
            yield _row(family, _labels(one))
    for family in ProcessCollector(registry=CollectorRegistry()).collect():
        yield _row(family, ())


def _labels(one: Collector) -> tuple[str, ...]:
    return tuple(one._labelnames)  # type: ignore[attr-defined]  # neither the library nor a family says it otherwise


def _row(family: Metric, labels: tuple[str, ...]) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    shown = ", ".join(f"`{label}`" for label in labels)
    return f"| `{name}` | {family.type} | {shown} | {family.documentation} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
