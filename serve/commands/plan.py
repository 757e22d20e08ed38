"""The command `serve plan`: what a checkout of another models.dvc would change, pulled and verified, with nothing live.

What it pulls stays in the state folder, as any release that was used last, so that the checkout itself need not.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer

from serve import app as composition
from serve import log as logging
from serve.artifact import details, git, history
from serve.artifact.changes import Changes
from serve.artifact.pin import FILENAME, Pin
from serve.artifact.snapshot import Snapshot
from serve.artifact.watch import pinned
from serve.commands import target
from serve.commands.drawn import plan as drawn
from serve.commands.ending import leave
from serve.commands.live import live
from serve.commands.prepare import until_sigterm
from serve.commands.serving import state
from serve.errors import PinUnreadable, RolloutFailed
from serve.settings import Settings
from serve.worker import environment

POSSIBLE, IMPOSSIBLE, BREAKING = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    revision: str | None
    quick: bool
    strict: bool
    url: str | None
    api_key: str | None
    ca: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison: its pin, the commit it is from, and what it is in a few words."""

    pin: Pin | None
    revision: str
    what: str


def plan(settings: Settings, asked: Asked) -> NoReturn:
    """Compare, pull and verify, tell, and end with the code that says whether it could be."""
    logging.configure("error")
    after = _after(settings.repo, asked.revision)
    before = _before(settings, asked)
    try:
        changes, models, problem = asyncio.run(until_sigterm(_found(settings, before, after, asked.quick)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        leave("interrupted; nothing is live that was not", 130)
    drawn.told(_told(before, after, changes, models, problem), changes, as_json=asked.as_json)
    if problem:
        raise typer.Exit(IMPOSSIBLE)
    raise typer.Exit(BREAKING if asked.strict and changes.breaking else POSSIBLE)


def _after(repo: Path, revision: str | None) -> Side:
    """What is asked about; the command ends where it can't be read."""
    if revision is None:
        try:
            return Side(pinned(repo), "", f"the work tree's {FILENAME}")
        except PinUnreadable as error:
            leave(f"{error.message}: name a revision, or a --repo that has one", 2)
    found = history.pin_at(repo, revision)
    if found is None:
        none = f"git knows no commit {revision!r} in {repo}; serve history lists the releases"
        leave(git.silence(repo) or none, 2)
    commit, pin = found
    if pin is None:
        leave(f"commit {commit[:12]} has no {FILENAME} that can be read", 2)
    return Side(pin, commit, revision)


def _before(settings: Settings, asked: Asked) -> Side:
    """What it is compared with: what is live, else what HEAD has."""
    server = target.of(settings, asked.url, asked.api_key, asked.ca)
    now = live(server, settings.repo)
    if now is not None:
        return Side(now.pin, now.revision, f"live at {server.url}")
    if asked.url is not None:
        leave(f"nothing is live at {server.url}, or it does not answer; without --url it is compared with HEAD", 2)
    found = history.pin_at(settings.repo, "HEAD")
    return Side(found[1], found[0], "HEAD") if found is not None else Side(None, "", "nothing: no commit")


async def _found(
    settings: Settings, before: Side, after: Side, quick: bool
) -> tuple[Changes, list[dict[str, Any]], str]:
    """What changes, what each model still needs, and why it could not be checked out ('': it could)."""
    store = composition.make_store(settings)
    models, problem = list[dict[str, Any]](), ""
    if not quick and after.pin is not None:
        with state(settings):
            loader = composition.make_loader(settings, composition.make_metrics())
        try:
            with drawn.progress(loader.attempts):
                models = [_needs(one, settings) for one in await loader.verified(after.pin)]
        except RolloutFailed as error:
            problem = f"{error.code}: {error.message}"
        finally:
            loader.close()
    changes, _ = await details.between(store, before.pin, after.pin, composition.make_pull_limits(settings))
    return changes, models, problem


def _needs(one: Snapshot, settings: Settings) -> dict[str, Any]:
    """Whether a verified model's environment is there already."""
    there = environment.complete(one.recipe, settings.state)
    here = environment.is_servers_own(one.recipe, settings.worker.environment)
    told = "the server's own" if here else "there" if there else "to be made"
    packages = len(one.recipe.requirements)
    return {"name": one.name, "digest": one.digest, "verified": True, "environment": told, "packages": packages}


def _told(before: Side, after: Side, changes: Changes, models: list[dict[str, Any]], problem: str) -> dict[str, Any]:
    return {
        "before": {"what": before.what, "revision": before.revision},
        "after": {"what": after.what, "revision": after.revision},
        **changes.told(),
        "verified": models,
        "bytes": after.pin.size if after.pin is not None else 0,
        "problem": problem,
    }
