"""The small files of models that need not be on this machine: MLmodel, recipe, golden answers. Never the weights.

A snapshot that is here is read where it is. Of others DVC brings these files alone, into its cache, within bounds of
time and bytes. They are checked by their MD5 in DVC's listing, and not against the pin's digest, which takes all files:
what comes out is told, and never served.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from serve import scratch
from serve.artifact import bounds, cache, changes, dvc, fetch, snapshot
from serve.artifact.bounds import Bounds
from serve.artifact.changes import Changes
from serve.artifact.fetch import PullLimits, Store
from serve.artifact.listing import Listing
from serve.artifact.pin import FILENAME, FOLDER, Pin, PinnedModel, write
from serve.artifact.snapshot import Snapshot
from serve.errors import MachineFailed, PullFailed, RolloutFailed, SnapshotUnreadable

SMALL = ("environment.txt", "golden.json", "promotion.json", "model/MLmodel", "model/python_env.yaml")
_MOST_BYTES = 16 * 2**20  # of each of them


async def between(
    store: Store, before: Pin | None, after: Pin | None, limits: PullLimits, known: Mapping[str, Snapshot] | None = None
) -> tuple[Changes, Mapping[str, Snapshot]]:
    """What changes between two pins; and the snapshots that say so, by digest, as far as they could be had.

    Those `known` already are not looked for.
    """
    wanted = {model.digest for model in changes.wanted(before, after)}
    found = {digest: one for digest, one in (known or {}).items() if digest in wanted}
    why = ""
    for pin in (before, after):
        missing = [model for model in (pin.models if pin else ()) if model.digest in wanted - found.keys()]
        if pin is not None and missing:
            try:
                found |= await of(store, pin, missing, limits)
            except RolloutFailed as error:
                why = error.message
            except OSError as error:
                why = MachineFailed(error).message
    return changes.between(before, after, found, why), found


def here(store: Store, before: Pin | None, after: Pin | None) -> Changes:
    """What changes between two pins, as far as what is on this machine says."""
    return changes.between(before, after, _here(store, changes.wanted(before, after)))


async def of(store: Store, pin: Pin, models: list[PinnedModel], limits: PullLimits) -> dict[str, Snapshot]:
    """These models of a pin by digest, from this machine or else through DVC."""
    found = await asyncio.to_thread(_here, store, models)
    missing = [model for model in models if model.digest not in found]
    if missing:
        try:
            async with asyncio.timeout(limits.timeout_seconds):
                found |= await _brought(store, pin, missing, limits)
        except TimeoutError:
            raise PullFailed(f"it took longer than {limits.timeout_seconds:g} seconds to fetch what tells") from None
    return found


def _here(store: Store, models: Iterable[PinnedModel]) -> dict[str, Snapshot]:
    found = {}
    for model in models:
        folder = store.snapshot(model)
        if folder.is_dir():
            with contextlib.suppress(SnapshotUnreadable):  # what is wrong with it is found when it is to be served
                found[model.digest] = snapshot.opened(folder, model.name, model.digest)
    return found


async def _brought(store: Store, pin: Pin, models: list[PinnedModel], limits: PullLimits) -> dict[str, Snapshot]:
    settings = await asyncio.to_thread(store.settings)
    private = not scratch.writable(store.state)
    if not pin.oid:
        raise PullFailed("no commit here pins what is live, so where its files are is not known")
    async with dvc.checkout(store.repo, store.state, settings, private_cache=private) as checkout:
        (checkout.folder / FILENAME).write_bytes(write(pin))
        listing = await fetch.listed(checkout, pin, limits)
        oids = _small(listing, models)
        has = await asyncio.to_thread(cache.present, checkout.cache, oids.values())
        missing = [path for path, oid in oids.items() if oid not in has]
        if missing:
            await dvc.run(
                checkout,
                "fetch",
                *(f"{FOLDER}/{path}" for path in missing),
                timeout_seconds=limits.timeout_seconds,
                within=_bounds(len(missing), limits),
            )
        return await asyncio.to_thread(_opened, checkout, oids, models)


def _small(listing: Listing, models: Iterable[PinnedModel]) -> Listing:
    """Of a listing, the small files of these models."""
    paths = [f"{model.name}/{file}" for model in models for file in SMALL]
    return {path: listing[path] for path in paths if path in listing}


def _bounds(files: int, limits: PullLimits) -> Bounds:
    return Bounds(limits.stall_seconds, _MOST_BYTES, files * _MOST_BYTES + bounds.MARGIN_BYTES)


def _opened(checkout: dvc.Scratch, oids: Listing, models: Iterable[PinnedModel]) -> dict[str, Snapshot]:
    """The models, whose small files the cache has by now."""
    root = checkout.folder / "small"
    for path, oid in oids.items():
        data = cache.get(checkout.cache, oid, _MOST_BYTES)
        if data is None:
            raise PullFailed(f"the remote has no intact copy of {FOLDER}/{path}, or it has over {_MOST_BYTES} bytes")
        _write(root / path, data)
    return {model.digest: snapshot.opened(root / model.name, model.name, model.digest) for model in models}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
