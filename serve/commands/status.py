"""The command `serve status`: what a running server says of itself, found by asking it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer

from serve.commands import given, target
from serve.commands.drawn import status as drawn
from serve.commands.ending import leave
from serve.commands.figures import Figures, Samples, between, samples
from serve.commands.server import Target, Unanswered

READY, NOT_READY, UNANSWERED = 0, 1, 2
_MOST_ROLLOUTS = 5
_KEPT = ("digest", "revision", "run", "since", "metrics", "python")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    url: str | None
    api_key: str | None
    ca: Path | None
    watch: bool
    seconds: float
    as_json: bool


@dataclass(slots=True)
class Look:
    """The last look at a server's counters, to measure the next one from."""

    samples: Samples
    at: float


def status(asked: Asked, repo: Path | None) -> NoReturn:
    """Ask once, or again and again, and end with the code that says how it is."""
    server = target.of(given.settings(repo), asked.url, asked.api_key, asked.ca)
    try:
        if asked.watch:
            drawn.watched(_looks(server, max(asked.seconds, 0.2)), as_json=asked.as_json)
        found = look(server, asked.seconds)
    except Unanswered as error:
        leave(str(error), UNANSWERED)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    drawn.told(found, as_json=asked.as_json)
    raise typer.Exit(READY if found["ready"] else NOT_READY)


def _looks(server: Target, seconds: float) -> Iterator[dict[str, Any]]:
    """What a server says, each time anew; where it does not answer meanwhile, the sentence that says so."""
    before = None
    while True:
        try:
            before, found = _next(server, before)
            yield found
        except Unanswered as error:
            yield {"unanswered": str(error)}
        time.sleep(seconds)


def look(server: Target, seconds: float) -> dict[str, Any]:
    """What a server says, with what happened in so many seconds; 0: since it began."""
    if not seconds:
        return _next(server, None)[1]
    before, _ = _next(server, None)
    time.sleep(seconds)
    return _next(server, before)[1]


def _next(server: Target, before: Look | None) -> tuple[Look | None, dict[str, Any]]:
    ready, models = server.json("/health/ready", 503), server.json("/models")
    rollouts = server.json("/rollouts")
    now, figures, over = None, dict[str, Figures](), 0.0
    code, text = server.get("/metrics")
    if code == 200:
        now = Look(samples(text.decode(errors="replace")), time.time())
        began = next(iter(now.samples.get("process_start_time_seconds", {}).values()), now.at)
        over = now.at - (before.at if before is not None else began)
        figures = between(before.samples if before is not None else {}, now.samples, over)
    told = {
        "url": server.url,
        "ready": ready["ready"],
        "stopping": ready["stopping"],
        "over_seconds": round(over, 1),
        "metrics": None if now is not None else f"/metrics answered {code}: the key needs the scope metrics",
        "reasons": [one["reason"] for one in ready.get("models", {}).values() if one["reason"]],
        "models": {name: _model(one, figures.get(name, Figures())) for name, one in models["models"].items()},
        "desired": models["desired"],
        "live": models["live"],
        "held": models["held"],
        "release": models["release"],
        "failure": models["failure"],
        "doing": rollouts["doing"],
        "rollouts": rollouts["attempts"][-_MOST_ROLLOUTS:],
    }
    return now, told


def _model(one: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    states = Counter(worker["state"] for worker in one["workers"])
    return {**{name: one[name] for name in _KEPT}, "workers": dict(states), **asdict(figures)}
