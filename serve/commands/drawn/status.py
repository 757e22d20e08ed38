"""What a running server says of itself, drawn; or as JSON."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from serve.commands.drawn import BAD, NOTE, OK, console, seconds, short

_MARKS = {"live": OK, "running": "[cyan]…[/]", "superseded": "[dim]–[/]"}


def told(found: Mapping[str, Any], *, as_json: bool) -> None:
    """On stdout."""
    if as_json:
        print(json.dumps(found), flush=True)  # noqa: T201  # its purpose
    else:
        console().print(drawn(found))


def watched(looks: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Each look in the place of the one before it; as JSON, a line each."""
    if as_json:
        for one in looks:
            told(one, as_json=True)
    out = console()
    with Live(console=out, auto_refresh=False, screen=out.is_terminal) as live:
        for one in looks:
            live.update(drawn(one), refresh=True)


def drawn(found: Mapping[str, Any]) -> RenderableType:
    """The whole of it."""
    if "unanswered" in found:
        return Text.from_markup(f"{BAD} {escape(found['unanswered'])}")
    parts: list[RenderableType] = [_head(found), *_notes(found)]
    if found["models"]:
        parts += ["", _models(found)]
    if found["rollouts"]:
        parts += ["", _rollouts(found["rollouts"])]
    return Group(*parts)


def _head(found: Mapping[str, Any]) -> RenderableType:
    if found["stopping"]:
        state = f"{NOTE} [yellow]stopping[/]"
    else:
        state = f"{OK} [green]ready[/]" if found["ready"] else f"{BAD} [red]not ready[/]"
    release = found["release"] or {}
    commit = f"  [dim]release[/] {short(release['commit'])}" if release.get("commit") else ""
    return Text.from_markup(f"{state}  {escape(found['url'])}{commit}")


def _notes(found: Mapping[str, Any]) -> list[RenderableType]:
    """What is not as git asks, or goes on, or is not known."""
    told = [f"{BAD} {escape(reason)}" for reason in found["reasons"]]
    if found["doing"]:
        doing = found["doing"]
        told.append(f"[cyan]…[/] {doing['step']}: {escape(doing['told'])} [dim]{escape(doing['progress'])}[/]")
    failure = found["failure"]
    if failure:
        why = f"{escape(failure['message'])} [dim]{_ago(failure['at'])} ago[/]"
        told.append(f"{BAD} what git asks for is not live: [red]{failure['code']}[/] {why}")
    elif found["desired"] != found["live"]:
        told.append(f"{NOTE} what git asks for is not live yet")
    if found["held"]:
        told.append("[dim]the release before is held warm, to fall back to[/]")
    if found["metrics"]:
        told.append(f"{NOTE} {escape(found['metrics'])}")
    return [Text.from_markup(one) for one in told]


def _models(found: Mapping[str, Any]) -> RenderableType:
    """A line for each live model, and below them what went wrong with any, by code."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("model", "digest", "live for", "workers", "queue", "req/s", "errors", "predict"):
        right = heading in ("live for", "queue", "req/s", "errors", "predict")
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for name, one in found["models"].items():
        queue, predict = (one["stages"].get(stage, {}) for stage in ("queue", "predict"))
        errors = sum(one["errors"].values())
        table.add_row(
            Text(name, "bold"),
            short(one["digest"])[:7],
            _ago(one["since"]),
            _workers(one["workers"]),
            f"{one['waiting']:.0f} · {_milliseconds(queue.get('p99'))}",
            f"{one['rate']:.1f}",
            Text(f"{errors:.0f}", "red" if errors else "dim"),
            f"{_milliseconds(predict.get('median'))} / {_milliseconds(predict.get('p99'))}",
        )
    over = seconds(found["over_seconds"]) if found["over_seconds"] else ""
    told = f"over {over}, in ms; queue: rows that wait · p99 of the wait; predict: p50 / p99"
    return Group(table, *_errors(found["models"]), *([Text(told, "dim")] if over else []))


def _errors(models: Mapping[str, Any]) -> list[RenderableType]:
    return [
        Text(f"{name}: " + ", ".join(f"{value:.0f} {code}" for code, value in one["errors"].items()), "red")
        for name, one in models.items()
        if one["errors"]
    ]


def _workers(states: Mapping[str, int]) -> Text:
    good = states.get("ready", 0) + states.get("busy", 0)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    return Text(told or "none", "" if good == sum(states.values()) and good else "red")


def _rollouts(attempts: list[Mapping[str, Any]]) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False)
    for fold in (False, False, False, True):
        table.add_column(overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    for one in reversed(attempts):
        took = sum(step["seconds"] for step in one["steps"])
        tries = f" in {one['tries']} tries" if one["tries"] > 1 else ""
        why = f"{one['outcome']}{tries}" + (f": {one['reason']}" if one["reason"] else f" after {seconds(took)}")
        table.add_row(
            Text.from_markup(_MARKS.get(one["outcome"], BAD)),
            Text(f"{_ago(one['began'])} ago", "dim"),
            short(one["revision"]) or "not committed",
            Text(why),
        )
    return Group(Text("last releases", "dim"), table)


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value * 1e3:.3g}"


def _ago(moment: str) -> str:
    """How long ago, as in '3 min'."""
    passed = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if passed >= length:
            return f"{passed / length:.0f} {unit}"
    return f"{max(passed, 0):.0f} s"
