"""The command `serve example`: a request that a model answers, as its promotion recorded it, from a running server."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from serve.commands import given, target
from serve.commands.ending import leave
from serve.commands.server import Unanswered

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    model: str | None
    url: str | None
    api_key: str | None
    ca: Path | None


def example(asked: Asked, repo: Path | None) -> None:
    """Print the body of a request; the command ends where the server has none to tell."""
    server = target.of(given.settings(repo), asked.url, asked.api_key, asked.ca)
    try:
        document = server.json("/openapi.json")
    except Unanswered as error:
        leave(str(error), 2)
    found = _examples(document)
    name = asked.model if asked.model is not None or len(found) != 1 else next(iter(found))
    if name not in found:
        which = "no model named " + repr(name) if name is not None else "several models, of which one must be named,"
        leave(f"{server.url} has {which} with an example; those that have one: {', '.join(found) or 'none'}", 1)
    typer.echo(json.dumps(found[name]))


def _examples(document: Any) -> dict[str, Any]:
    """A request body by model."""
    found = {}
    for path, item in document.get("paths", {}).items():
        _, _, rest = path.partition("/models/")
        name, _, last = rest.partition("/")
        content = item.get("post", {}).get("requestBody", {}).get("content", {}).get(_JSON, {})
        for one in content.get("examples", {}).values():
            if path.startswith("/models/") and last == "predict":
                found[name] = one["value"]
    return found
