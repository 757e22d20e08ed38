"""What changes from one release to another, in a few words, or whole."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from serve.artifact.changes import ADDED, CHANGED, KEPT, REMOVED, Facts, Field, Metric, Model
from serve.commands.drawn import listed, short

MARKS = {ADDED: "[green]+[/]", REMOVED: "[red]-[/]", CHANGED: "[yellow]~[/]", KEPT: "[dim]=[/]"}
_MOST_METRICS = 2
_BREAKS = "breaks callers"


def metric(one: Metric, width: int = 0) -> str:
    """As in 'accuracy 0.9 → 0.95', the name as wide as it is to be."""
    if one.before is None or one.after is None or one.before == one.after:
        return f"{one.name:<{width}} {_figure(one.after if one.after is not None else one.before)}"
    return f"{one.name:<{width}} {_figure(one.before)} → {_figure(one.after)}"


def summary(one: Model) -> str:
    """What changed of one model, in a line: packages, signature, metrics."""
    told = [metric(found) for found in _moved(one)][:_MOST_METRICS]
    if one.facts is not None:
        told = [*_of_facts(one.facts), *told]
    return " · ".join(told)


def _moved(one: Model) -> list[Metric]:
    """The metrics of the model after it, those first that were judged before it went live."""
    there = [found for found in one.metrics if found.after is not None]
    return sorted(there, key=lambda found: not found.name.startswith(("val", "test")))


def _of_facts(facts: Facts) -> Iterator[str]:
    breaking = [f"{found.place[:-1]} {found.name}" for found in facts.signature if found.breaking]
    if breaking:
        yield f"{listed(breaking, 2)} {'break' if len(breaking) > 1 else 'breaks'} callers"
    elif facts.signature:
        yield f"{len(facts.signature)} of its fields changed"
    if facts.python[0] != facts.python[1]:
        yield f"Python {facts.python[0]} → {facts.python[1]}"
    if facts.packages:
        yield listed([_package(found.name, found.before, found.after) for found in facts.packages], 2)
    if facts.golden.differ:
        yield f"{len(facts.golden.differ)} of {facts.golden.shared} golden answers differ"


def _package(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"+{name} {after}"
    return f"-{name}" if after is None else f"{name} {before} → {after}"


def whole(one: Model) -> RenderableType:
    """All that changes of one model."""
    head = Text.from_markup(f" {MARKS[one.change]} ")
    head.append(one.name, "bold")
    digests = " → ".join(short(digest) for digest in dict.fromkeys(one.digest) if digest)
    head.append(f"  {one.change}  ").append(digests, "dim")
    if one.change == REMOVED:
        head.append(f"  {_BREAKS}", "bold red")
    rows: list[RenderableType] = [head]
    if one.change not in (KEPT, REMOVED):
        rows.append(Padding(_details(one), (0, 0, 0, 5)))
    return Group(*rows)


def _details(one: Model) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    facts = one.facts
    if facts is not None:
        table.add_row("signature", _signature(facts.signature))
        same = facts.python[0] == facts.python[1]
        table.add_row("python", f"{facts.python[0]}, the same" if same else f"{facts.python[0]} → {facts.python[1]}")
        told = [_package(found.name, found.before, found.after) for found in facts.packages]
        table.add_row("packages", Text("\n".join(told) or "the same"))
        table.add_row("answers", _answers(facts))
    width = max((len(found.name) for found in one.metrics), default=0)
    table.add_row("metrics", Text("\n".join(metric(found, width) for found in one.metrics) or "none recorded"))
    return table


def _signature(fields: tuple[Field, ...]) -> Text:
    if not fields:
        return Text("the same")
    told = Text()
    for at, found in enumerate(fields):
        told.append("\n" if at else "")
        told.append(f"{found.place[:-1]} {found.name}: {found.before or 'not there'} → {found.after or 'gone'}")
        if found.breaking:
            told.append(f"  {_BREAKS}", "bold red")
    return told


def _answers(facts: Facts) -> Text:
    golden = facts.golden
    if not golden.shared:
        return Text(f"none of its {golden.before} golden requests is asked again")
    agree = golden.shared - len(golden.differ)
    return Text("\n".join([f"{agree} of {golden.shared} golden answers agree", *golden.differ]))


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"
