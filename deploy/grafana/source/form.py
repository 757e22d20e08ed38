"""What a panel of the dashboard is, as data, and the words that its queries share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HERE = 'job="$job", instance=~"$instance"'
MODEL = f'{HERE}, model=~"$model"'
ASKED = f'{HERE}, model=~"$model|"'  # what was refused before a model was asked too: it has none
ANSWERED = f'{MODEL}, status=~"200|OK"'
RATE = "[$__rate_interval]"
FAILS = 'fault=~"overload|model|server"'

NO_YES = ({"type": "value", "options": {"0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}},)


@dataclass(frozen=True, slots=True)
class Query:
    """One query; `legend` names its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel, in units of Grafana's grid, which is 24 wide."""

    title: str
    told: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    thresholds: Sequence[tuple[float | None, str]] = ()
    mappings: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: Sequence[Mapping[str, Any]] = ()


def stat(
    title: str, told: str, expr: str, unit: str, thresholds: Sequence[tuple[float | None, str]], **more: Any
) -> Panel:
    legend = more.pop("legend", "")
    return Panel(
        title, told, [Query(expr, legend)], unit, "stat", more.pop("width", 4), 4, thresholds=thresholds, **more
    )


def quantile(share: float, metric: str, by: str, labels: str) -> str:
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({metric}_bucket{{{labels}}}{RATE})))"


def ratio(labels: str) -> str:
    """Of the requests that are no caller's fault, those that fail; 0 where none does."""
    good = f'sum(rate(pinion_requests_total{{{labels}, fault!="caller"}}{RATE}))'
    return f"(sum(rate(pinion_requests_total{{{labels}, {FAILS}}}{RATE})) or 0 * {good}) / {good}"
