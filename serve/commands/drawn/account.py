"""A server's account of itself: steps, what is live and where to go next, switches, failures, the end."""

import re
import time
from collections.abc import Mapping
from importlib.metadata import version

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from serve.artifact import changes
from serve.artifact.changes import CHANGED, KEPT
from serve.artifact.pin import Pin, PinnedModel
from serve.artifact.snapshot import Snapshot
from serve.attempts import Doing
from serve.commands.drawn import BAD, OK, listed, seconds, short
from serve.commands.drawn.changes import summary
from serve.loader import Deployed

_SPINNER = Spinner("dots", style="cyan")
_WORD = 12
_OF = re.compile(r"(\d+\.?\d*) of (\d+\.?\d*) ")
_USUAL = "http://127.0.0.1:8000"


def begins(address: str) -> RenderableType:
    """The first line."""
    return Text.from_markup(f"\n  [bold]Pinion[/] {version('pinion-serve')}  [dim]listens on[/] {address}\n")


def doing(one: Doing | None) -> RenderableType:
    """The step that goes on, with how far it is; nothing where there is none."""
    if one is None:
        return Group()
    line = Table.grid(padding=(0, 1))
    line.add_row(" ", _SPINNER, Text(f"{one.step:<{_WORD}}", "cyan"), Text(one.told), *_progress(one.progress))
    return line


def _progress(progress: str) -> tuple[RenderableType, ...]:
    """A bar where it is so much of so much, beside the words."""
    much = _OF.match(progress)
    if much:
        done, whole = float(much[1]), float(much[2])
        return ProgressBar(total=whole or 1.0, completed=done, width=24), Text(progress, "dim")
    return (Text(progress[:60], "dim"),)


def step(one: Doing, took: float) -> RenderableType:
    """A step that is done."""
    return Text.from_markup(f"  {OK} {one.step:<{_WORD}} {escape(one.told)} [dim]{seconds(took)}[/]")


def ready(models: Mapping[str, Deployed], address: str, console: str, took: float, serve: str) -> RenderableType:
    """The first release is live: what can be done now; `serve` is how this program is called."""
    live = ", ".join(f"[bold]{escape(name)}[/] [dim]{short(one.snapshot.digest)}[/]" for name, one in models.items())
    head = Text.from_markup(f"  {OK} [green]{'live':<{_WORD}}[/] {live} [dim]{seconds(took)}[/]\n")
    name = next(iter(models), "")
    base = console.removesuffix("/")
    there = "" if base == _USUAL else f" --url {base}"
    told = {
        "console": console,
        "docs": f"{base}/docs",
        "metrics": f"{base}/metrics",
        "predict": f"{serve} example {name}{there} | curl -H 'Content-Type: application/json' -d @- "
        f"{address}/models/{name}/predict",
        "roll back": f"{serve} history, then: git checkout REVISION -- models.dvc",
        "look": f"{serve} status --watch{there}",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True, width=_WORD)
    table.add_column(overflow="fold")
    for word, what in told.items():
        table.add_row(word, Text(what))
    return Group(head, Padding(table, (0, 0, 1, 4)))


def prepared(models: list[str], state: str, took: float) -> RenderableType:
    """All that serving needs is there."""
    told = f"{listed(models)} can be served without a network"
    where = f"{'':<{_WORD + 5}}[dim]{escape(state)}[/]"
    return Text.from_markup(f"  {OK} {'ready':<{_WORD}} {escape(told)} [dim]{seconds(took)}[/]\n{where}")


def switched(before: Mapping[str, Deployed], after: Mapping[str, Deployed], took: float) -> RenderableType:
    """A later release is live: one line, and one for each model that it changed."""
    found = changes.between(_pin(before), _pin(after), _snapshots(before, after))
    told = ", ".join(f"{one.name} {one.change}" for one in found.models if one.change != KEPT)
    kept = [one.name for one in found.models if one.change == KEPT]
    also = f"; {listed(kept)} kept" if kept else ""
    lines = [
        Text.from_markup(
            f"{_clock()} {OK} [green]live[/] {escape(told or 'as before')}{escape(also)} [dim]{seconds(took)}[/]"
        )
    ]
    for one in found.models:
        if one.change == CHANGED:
            ids = f"{short(one.digest[0])} → {short(one.digest[1])}"
            lines.append(Text(f"           {one.name}  {ids}  {summary(one)}", "bold" if one.breaking else ""))
    return Group(*lines)


def failed(code: str, reason: str, live: list[str]) -> RenderableType:
    """A release that could not go live, or fell back."""
    stays = f"{listed(live)} as before" if live else "nothing is live"
    return Text.from_markup(f"{_clock()} {BAD} [red]{code}[/] {escape(reason)} [dim]({escape(stays)})[/]")


def stopping(drain_seconds: float) -> RenderableType:
    """A signal has come."""
    waits = f"{drain_seconds:.0f} s at most for what was taken; Ctrl-C again: at once"
    return Text.from_markup(f"\n{_clock()} [yellow]stopping[/]: {waits}")


def stopped() -> RenderableType:
    """The end."""
    return Text.from_markup(f"{_clock()} stopped")


def _clock() -> str:
    return f"  [dim]{time.strftime('%H:%M:%S')}[/]"


def _pin(models: Mapping[str, Deployed]) -> Pin:
    found = [one.snapshot for one in models.values()]
    pinned = [PinnedModel(one.name, one.digest, one.promotion.run, one.promotion.metrics) for one in found]
    return Pin("", 0, 0, tuple(pinned))


def _snapshots(*releases: Mapping[str, Deployed]) -> dict[str, Snapshot]:
    return {one.snapshot.digest: one.snapshot for models in releases for one in models.values()}
