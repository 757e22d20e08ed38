"""What models.dvc pins: whether the remote has it all, and each model may be served and finds its environment."""

import asyncio
import json
import tempfile
from pathlib import Path

from serve import app as composition
from serve.artifact import demands, details, dvc, fetch
from serve.artifact.fetch import PullLimits, Store
from serve.artifact.pin import FILENAME, Pin, write
from serve.artifact.snapshot import Recipe, Snapshot
from serve.artifact.trust import Trust
from serve.commands.checks.check import Check, bad, good, note
from serve.errors import EnvironmentFailed, MachineFailed, RemoteNotTrusted, RolloutFailed
from serve.settings import Settings
from serve.worker import environment

_SECONDS = 120.0
_MOST_NAMED = 5


async def obtainable(settings: Settings, pin: Pin) -> list[Check]:
    """The remote, then the environment of each model that could be read."""
    store = composition.make_store(settings)
    limits = composition.make_pull_limits(settings)
    remote = await _remote(store, pin, limits, await asyncio.to_thread(_here, store, pin))
    try:
        snapshots = await details.of(store, pin, list(pin.models), limits)
    except (RolloutFailed, OSError) as error:
        told = error.message if isinstance(error, RolloutFailed) else MachineFailed(error).message
        said = told in remote.told  # once is enough
        told = "its packages stand in what is to be pulled" if said else told
        return [remote, bad("environment", f"can't be told: {told}", "mend that first")]
    trusted = await _trusted(store, pin, snapshots, composition.make_trust(settings))
    return [remote, *trusted, *[await _environment(one, settings) for one in snapshots.values()]]


def _here(store: Store, pin: Pin) -> bool:
    """Whether all that is pinned is in the state folder, and can be read."""
    try:
        return all(store.snapshot(model).is_dir() for model in pin.models)
    except OSError:
        return False


async def _remote(store: Store, pin: Pin, limits: PullLimits, here: bool) -> Check:
    """Whether the remote answers, and has every object; where all is here already it keeps nothing from serving."""
    try:
        missing = await _missing(store, pin, limits)
    except RemoteNotTrusted as error:
        problem, mend = error.message, "say where to pull from, as PINION_ARTIFACT__REMOTE: docs/your-own.md"
    except MachineFailed as error:
        problem, mend = error.message, "make room: on the state folder's disk, and on that of DVC's cache"
    except RolloutFailed as error:
        problem, mend = error.message, "is its address right, its network up, and do its credentials reach this user?"
    except OSError as error:
        problem, mend = MachineFailed(error).message, "mend the state folder first"
    else:
        if not missing:
            return good("remote", f"has all {pin.files} files that {FILENAME} pins")
        problem = f"lacks {', '.join(missing[:_MOST_NAMED])}" + (" and more" if len(missing) > _MOST_NAMED else "")
        mend = f"dvc push {FILENAME}, from where it was promoted"
    if here:
        return note("remote", f"{problem}; what is pinned now is here already", mend)
    return bad("remote", problem, mend)


async def _trusted(store: Store, pin: Pin, snapshots: dict[str, Snapshot], trust: Trust) -> list[Check]:
    """Whether each model is what the operator asks for, where something is asked: told of those that are here."""
    if not trust.asks:
        return []
    found = list[Check]()
    for model in pin.models:
        one = snapshots.get(model.digest)
        if one is None or one.folder != store.snapshot(model):
            told = f"{model.name} is not here yet: whether it is what is asked for can't be told"
            found.append(note("trust", told, "serve plan pulls it, and tells"))
            continue
        try:
            await demands.met(one, trust)
        except RolloutFailed as error:
            found.append(bad("trust", error.message, "docs/trust.md tells what a model needs, and how it comes by it"))
        except OSError as error:
            found.append(bad("trust", MachineFailed(error).message, "mend the state folder first"))
        else:
            found.append(good("trust", f"{model.name} is what is asked for"))
    return found


async def _missing(store: Store, pin: Pin, limits: PullLimits) -> list[str]:
    """The pinned files that the remote has not, asked of DVC, which downloads nothing for it but the listing."""
    settings = await asyncio.to_thread(store.settings)
    async with dvc.checkout(store.repo, store.state, settings, private_cache=True) as checkout:
        (checkout.folder / FILENAME).write_bytes(write(pin))
        await fetch.listed(checkout, pin, limits)
        # Not `dvc status --cloud`: that takes a remote which has the listing to have all that stands in it.
        asked = ("data", "status", "--not-in-remote", "--granular", "--json")
        told = await dvc.run(checkout, *asked, timeout_seconds=_SECONDS)
    missing: list[str] = json.loads(told).get("not_in_remote", [])
    return sorted(missing)


async def _environment(one: Snapshot, settings: Settings) -> Check:
    """Whether a model's interpreter is there, or its packages can be had."""
    name, recipe = "environment", one.recipe
    told = f"{one.name}: Python {recipe.python_minor}, {len(recipe.requirements)} packages"
    if not settings.trust.require_hashes and environment.is_servers_own(recipe, settings.worker.environment):
        return good(name, f"{told}, the server's own")
    if environment.complete(recipe, settings.state):
        return good(name, f"{told}, there")
    try:
        environment.require_supported(recipe)
        await _resolved(recipe)
    except MachineFailed as error:
        return bad(name, f"{told}: {error.message}", "make room for uv's cache and for temporary files")
    except EnvironmentFailed as error:
        mend = "is the package index reachable, and named (UV_DEFAULT_INDEX, PIP_INDEX_URL, UV_FIND_LINKS)?"
        return bad(name, f"{told}: {error.message}", mend)
    return good(name, f"{told}, which the index has")


async def _resolved(recipe: Recipe) -> None:
    """Have uv find each package in the index, without installing it."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "environment.txt"
        listed.write_text("\n".join(recipe.requirements) + "\n", encoding="utf-8")
        python = ("--python-version", recipe.python_minor)
        await environment.uv(
            ("pip", "compile", "--quiet", "--no-deps", *environment.WHEELS_ONLY, *python, str(listed)), _SECONDS
        )
