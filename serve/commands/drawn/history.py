"""The releases, the newest first: a line each, and below it one for each model that it changed; or as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from serve.artifact.changes import KEPT, REMOVED, Answers, Facts, Field, Metric, Model, Package
from serve.commands.drawn import console, listed, short
from serve.commands.drawn.changes import MARKS, summary


def told(found: Mapping[str, Any], *, as_json: bool) -> None:
    """On stdout."""
    if as_json:
        print(json.dumps(found))  # noqa: T201  # its purpose
        return
    out = console()
    for release in found["releases"]:
        out.print(_head(release), no_wrap=True, overflow="ellipsis")
        out.print(_models(release))
    if found["more"]:
        out.print(f"[dim]the newest {len(found['releases'])}; more with --limit[/]")


def _head(release: Mapping[str, Any]) -> Text:
    day = release["date"][:16].replace("T", " ")
    head = Text().append(release["revision"][:12], "bold")
    if release["live"]:
        head.append("  live", "bold green")
    return head.append(f"  {day}  {release['author']}").append(f"  {release['subject']}", "dim")


def _models(release: Mapping[str, Any]) -> Padding:
    """A line for each model that the release changed, and one for those that it kept."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    kept = [name for name, one in release["models"].items() if one["change"] == KEPT]
    for name, one in release["models"].items():
        if one["change"] != KEPT:
            change = _model(name, one)
            style = "red" if change.breaking else ""
            words = " · ".join(filter(None, (summary(change), f"run {short(one['run'])}" if one["run"] else "")))
            table.add_row(MARKS[one["change"]], Text(name), Text(short(one["digest"]), "dim"), Text(words, style))
    for name in release["removed"]:
        table.add_row(MARKS[REMOVED], Text(name), Text(), Text("removed, which breaks its callers", "red"))
    if kept:
        table.add_row(MARKS[KEPT], Text(listed(kept), "dim"), Text(), Text("as before", "dim"))
    if not release["readable"]:
        table.add_row("[red]✗[/]", Text("models.dvc can't be read"), Text(), Text())
    return Padding(table, (0, 0, 1, 2))


def _model(name: str, one: Mapping[str, Any]) -> Model:
    """The change as it was before it was told as JSON: both drawings share their words."""
    facts, deltas = one.get("facts"), one.get("deltas", ())
    return Model(
        name,
        one["change"],
        ("", one["digest"]),
        ("", one["run"]),
        tuple(Metric(**metric) for metric in deltas),
        _facts(facts) if facts is not None else None,
    )


def _facts(told: Mapping[str, Any]) -> Facts:
    return Facts(
        (told["python"][0], told["python"][1]),
        tuple(Package(**one) for one in told["packages"]),
        tuple(Field(**one) for one in told["signature"]),
        Answers(**told["golden"]),
    )
