"""What a checkout would change, drawn; or as JSON."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape

from serve.artifact.changes import KEPT, Changes
from serve.attempts import Attempts
from serve.commands.drawn import BAD, NOTE, OK, account, console, listed, short
from serve.commands.drawn.changes import whole


@contextlib.contextmanager
def progress(attempts: Attempts) -> Iterator[None]:
    """On a terminal, show what is being done within the block; on stderr, so that stdout has the plan alone."""
    shown = Console(stderr=True)
    if not shown.is_terminal:
        yield
        return
    with Live(
        get_renderable=lambda: account.doing(attempts.doing), console=shown, refresh_per_second=8, transient=True
    ):
        yield


def told(found: Mapping[str, Any], changes: Changes, *, as_json: bool) -> None:
    """On stdout."""
    if as_json:
        print(json.dumps(found))  # noqa: T201  # its purpose
        return
    out = console()
    out.print(f"from  {_side(found['before'])}\nto    {_side(found['after'])}\n")
    changed = [one for one in changes.models if one.change != KEPT]
    for one in changed:
        out.print(whole(one))
    kept = [one.name for one in changes.models if one.change == KEPT]
    if kept:
        out.print(f" [dim]=[/] {escape(listed(kept))} [dim]kept as {'they are' if len(kept) > 1 else 'it is'}[/]")
    out.print()
    for line in _verdict(found, changes, bool(changed)):
        out.print(line)


def _side(side: Mapping[str, str]) -> str:
    return f"{escape(side['what'])}  [dim]{short(side['revision'])}[/]"


def _verdict(found: Mapping[str, Any], changes: Changes, changed: bool) -> Iterator[str]:
    """Whether it could be, what it would take, and whom it would break."""
    if found["problem"]:
        yield f"{BAD} it could not go live: {escape(found['problem'])}"
    for one in found["verified"]:
        made = one["environment"] == "to be made"
        needs = (
            f"environment to be made, of {one['packages']} packages" if made else f"environment {one['environment']}"
        )
        yield f"{OK} {escape(one['name'])}: every byte verified, {needs}"
    if found["unknown"]:
        yield f"{NOTE} not all could be compared: {escape(found['unknown'])}"
    if changes.breaking:
        names = listed([one.name for one in changes.models if one.breaking])
        yield f"{NOTE} [red]callers of {escape(names)} may have to change[/]"
    elif changed:
        yield (
            f"{OK} no caller has to change"
            if not found["unknown"]
            else f"{NOTE} whether callers have to change is not known"
        )
    else:
        yield f"{OK} nothing would change"
    revision = found["after"]["revision"]
    if changed and revision and not found["problem"]:
        yield f"\n  git checkout {short(revision)} -- models.dvc"
