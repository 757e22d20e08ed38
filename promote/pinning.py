"""A staged model → a pin whose every byte the remote holds, proven by reading it back. The work tree is not touched.

Added and pushed from a scratch checkout, where only new objects appear; then pulled from the remote alone, with
an empty cache, and hashed. What stops here anywhere has changed nothing that anyone reads.
"""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from promote.errors import PromotionRefused, plain
from serve.artifact import cache, dvc, fetch, listing, pin, snapshot, verify
from serve.artifact.fetch import PullLimits, Store
from serve.artifact.pin import FILENAME, FOLDER, MAX_BYTES, Pin, PinnedModel
from serve.artifact.snapshot import Snapshot
from serve.errors import RolloutFailed


async def standing(store: Store, before: Pin, seconds: float) -> Mapping[str, Snapshot]:
    """The models pinned now, by name: pulled where they are not at hand, and hashed."""
    try:
        await fetch.fetch(store, before, PullLimits(seconds))
        return {model.name: snapshot.verified(store, model) for model in before.models}
    except RolloutFailed as error:
        raise PromotionRefused(f"what {FILENAME} pins now can't be had: {error.message}") from error


async def push(
    store: Store, models: Mapping[str, Path], pinned: tuple[PinnedModel, ...], work: Path, seconds: float
) -> Pin:
    """`models/` made of these folders by name, into the remote, and read back → the pin that says so.

    `pinned` says the same of them in words; `work` is where scratch folders may be made.
    """
    async with dvc.checkout(store.repo, work) as checkout:
        for name, folder in models.items():
            await asyncio.to_thread(shutil.copytree, folder, checkout.folder / FOLDER / name)
        await dvc.run(checkout, "add", FOLDER, timeout_seconds=seconds)
        added = replace(pin.read_out((checkout.folder / FILENAME).read_bytes()), models=pinned)
        _require_all_kept(checkout, added)
        data = _bounded(pin.write(added))
        (checkout.folder / FILENAME).write_bytes(data)
        await dvc.run(checkout, "push", FILENAME, timeout_seconds=seconds)
    await read_back(store, added, work, seconds)
    return pin.read(data)


async def read_back(store: Store, pushed: Pin, work: Path, seconds: float) -> None:
    """Pull `pushed` with an empty cache, from the remote alone, and hash every model of it; or `PromotionRefused`."""
    async with dvc.checkout(store.repo, work, private_cache=True) as checkout:
        (checkout.folder / FILENAME).write_bytes(pin.write(pushed))
        try:
            await fetch.pull(checkout, pushed, PullLimits(seconds))
            for model in pushed.models:
                folder = checkout.folder / FOLDER / model.name
                await asyncio.to_thread(verify.require, folder, model.name, model.digest)
        except RolloutFailed as error:
            raise PromotionRefused(f"the remote does not give back what was pushed: {error.message}") from error


def _require_all_kept(checkout: dvc.Scratch, added: Pin) -> None:
    """DVC leaves out what a .dvcignore says, and its own and git's folders: such a model would not come back whole."""
    kept = listing.parse(cache.place(checkout.cache, added.oid).read_bytes(), added)
    folder = checkout.folder / FOLDER
    there = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    left = sorted(path for path in there if path not in kept)
    if left:
        raise PromotionRefused(
            f"DVC would leave out {plain(', '.join(left[:5]))} ({len(left)} files): a .dvcignore in the model says so, "
            "or it is in a folder that DVC or git keeps for itself (.dvc, .git); take these out of the model"
        )


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise PromotionRefused(f"{FILENAME} would have {len(data)} bytes, and may have {MAX_BYTES}: it pins too much")
    return data


async def fill_work_tree(store: Store, seconds: float) -> str:
    """Bring `models/` in the work tree to what models.dvc says now → '' or why DVC would not."""
    try:
        await dvc.run(dvc.Scratch(store.repo, Path()), "checkout", FILENAME, timeout_seconds=seconds)
    except RolloutFailed as error:
        return error.message
    return ""
