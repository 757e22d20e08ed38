"""The command `serve history`: what was released when, by whom, with what it changed, and which of it is live."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serve.artifact import details, git
from serve.artifact import history as past
from serve.artifact.fetch import Store
from serve.artifact.history import Release
from serve.artifact.pin import FILENAME
from serve.commands import target
from serve.commands.drawn import history as drawn
from serve.commands.ending import leave
from serve.commands.live import LiveRelease, digests, live
from serve.settings import Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    limit: int
    url: str | None
    api_key: str | None
    ca: Path | None
    as_json: bool


def history(settings: Settings, asked: Asked) -> None:
    """List the releases, the newest first."""
    found = past.releases(settings.repo, most=asked.limit + 1)
    if not found:
        none = f"git knows no commit of {FILENAME} in {settings.repo}; a promotion makes one"
        leave(git.silence(settings.repo) or none, 1)
    now = live(target.of(settings, asked.url, asked.api_key, asked.ca), settings.repo)
    store = Store(settings.repo, settings.state, settings.artifact.remote)
    newest = next((one for one in found if now is not None and digests(one.pin) == now.digests), None)
    told = [_told(store, one, older, now, one is newest) for one, older in past.beside(found)][: asked.limit]
    drawn.told({"releases": told, "more": len(found) > asked.limit}, as_json=asked.as_json)


def _told(store: Store, one: Release, older: Release | None, now: LiveRelease | None, is_live: bool) -> dict[str, Any]:
    """A release as /history tells it, with what changed of each model as far as this machine knows."""
    told = past.listed(one, older, live=is_live if now is not None else None)
    found = details.here(store, older.pin if older else None, one.pin)
    for model in found.models:
        if model.name in told["models"]:
            facts = asdict(model.facts) if model.facts is not None else None
            deltas = [asdict(metric) for metric in model.metrics]
            told["models"][model.name] |= {"facts": facts, "breaking": model.breaking, "deltas": deltas}
    return told
