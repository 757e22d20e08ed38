"""The releases, the newest first: one line each, and one for each model that it changed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from serve.artifact.changes import Answers, Facts, Field, Metric, Model, Package
from serve.commands.drawn import console, short
from serve.commands.drawn.changes import summary


def told(found: Mapping[str, Any], *, as_json: bool) -> None:
    """On stdout."""
    if as_json:
        print(json.dumps(found))  # noqa: T201  # its purpose
        return
    out = console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("revision", "date", "who", "model", "digest", "run"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it changed", overflow="fold", ratio=1)
    for release in found["releases"]:
        for row in _rows(release):
            table.add_row(*row)
    out.print(table)
    if found["more"]:
        out.print(f"[dim]the newest {len(found['releases'])}; more with --limit[/]")


def _rows(release: Mapping[str, Any]) -> Iterator[tuple[Text, ...]]:
    """A row for each model of the release."""
    day = release["date"][:16].replace("T", " ")
    mark = Text(" live", "green") if release["live"] else Text()
    head = [Text(release["revision"][:12], "bold").append(mark), Text(day), Text(release["author"][:20])]
    if not release["readable"]:
        yield (*head, Text("(unreadable)", "red"), Text(), Text(), Text(release["subject"]))
        return
    for name, one in release["models"].items():
        kept = one["change"] == "kept"
        told = Text("as before", "dim") if kept else Text(f"{one['change']}: " if one["change"] == "added" else "")
        if not kept:
            told.append(summary(_model(name, one)), "red" if one.get("breaking") else "")
        yield (*head, Text(name), Text(short(one["digest"]), "dim"), Text(one["run"][:12], "dim"), told)
        head = [Text(), Text(), Text()]
    for name in release["removed"]:
        yield (*head, Text(name), Text(), Text(), Text("removed, which breaks its callers", "red"))
        head = [Text(), Text(), Text()]


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
