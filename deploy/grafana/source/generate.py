"""The dashboard as Grafana's JSON: `python deploy/grafana/source/generate.py > deploy/grafana/pinion.json`.

Written for who is woken: the first row says whether callers are answered, by what, and how fast; each one below it
says more of one of these. It is the classic JSON that can be imported, provisioned as a file, or put into a ConfigMap.
Panels flow from left to right, and are numbered as they stand.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from form import Panel, Query
from running import ANNOTATIONS, MACHINE, RELEASES, WORKERS
from serving import BATCHING, GLANCE, LATENCY, TRAFFIC

_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA_VERSION = 42
_ROWS: Mapping[str, Sequence[Panel]] = {
    "At a glance": GLANCE,
    "Traffic": TRAFFIC,
    "Latency": LATENCY,
    "Queue and batches": BATCHING,
    "Workers": WORKERS,
    "Releases": RELEASES,
    "Machine": MACHINE,
}


def dashboard() -> dict[str, Any]:
    """All of it."""
    return {
        "title": "Pinion",
        "uid": "pinion",
        "description": "The production server for MLflow models, released by git. docs/runbook.md says what to do.",
        "tags": ["pinion", "mlflow"],
        "schemaVersion": _SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_annotation(*one) for one in ANNOTATIONS]},
        "templating": {"list": list(_variables())},
        "links": [],
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    for name, metric, label, many in (
        ("job", "pinion_build_info", "job", False),
        ("instance", 'pinion_build_info{job="$job"}', "instance", True),
        ("model", 'pinion_live_model_info{job="$job"}', "model", True),
    ):
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": f"label_values({metric}, {label})", "refId": name},
            "definition": f"label_values({metric}, {label})",
            "refresh": 2,  # as the time range changes, too
            "sort": 1,
            "multi": many,
            "includeAll": many,
            **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if many else {}),
        }


def _annotation(name: str, colour: str, expr: str, title: str, at_value: bool) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": expr,
        "titleFormat": title,
        "step": "15s",
        "useValueForTime": "on" if at_value else False,
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, x, y, tallest = 0, 0, 0, 0
    for title, panels in _ROWS.items():
        y, x, number = y + tallest, 0, number + 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _place(0, y, 24, 1),
        }
        y, tallest = y + 1, 0
        for one in panels:
            if x + one.width > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield _panel(one, number, x, y)
            x, tallest = x + one.width, max(tallest, one.height)


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(one: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": one.kind,
        "title": one.title,
        "description": one.told,
        "datasource": _SOURCE,
        "gridPos": _place(x, y, one.width, one.height),
        "targets": [_target(query, one.kind, at) for at, query in enumerate(one.queries)],
        "fieldConfig": {"defaults": _defaults(one), "overrides": []},
        "options": dict(_OPTIONS[one.kind], **one.options),
        **({"transformations": list(one.transformations)} if one.transformations else {}),
    }


def _target(query: Query, kind: str, at: int) -> dict[str, Any]:
    now = kind in ("stat", "table")
    return {
        "refId": chr(ord("A") + at),
        "datasource": _SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "instant": now,
        "range": not now,
        "format": {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series"),
    }


def _defaults(one: Panel) -> dict[str, Any]:
    steps = [{"color": colour, "value": value} for value, colour in one.thresholds]
    return {
        "unit": one.unit,
        "color": {"mode": "thresholds" if one.kind == "stat" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps or [{"color": "text", "value": None}]},
        "mappings": list(one.mappings),
        **({"min": 0} if one.kind == "timeseries" else {}),
        "custom": _custom(one),
    }


def _custom(one: Panel) -> Mapping[str, Any]:
    if one.kind != "timeseries":
        return {}
    stacking: Mapping[str, Any] = {"mode": "normal" if one.stacked else "none", "group": "A"}
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if one.stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": stacking,
    }


_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "timeseries": {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange"},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": "s"},
    },
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n")
