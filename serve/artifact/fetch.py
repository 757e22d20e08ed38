"""`dvc pull` of one pin, in a scratch checkout → a verified, read-only snapshot folder for each model.

A snapshot is kept as `<state>/snapshots/<tree digest>`, complete or absent: bytes are hashed in the scratch
checkout first and moved there in one rename. What is there already is not pulled again, so a rollback needs no
network. DVC sees no listing of the folder that was not read here first. A corrupt object found in DVC's cache is
removed from it and pulled once more, and what a failed pull left there is removed where it is wrong.
"""

import asyncio
import contextlib
import math
import os
import stat
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from serve.artifact import bounds, cache, dvc, listing
from serve.artifact.bounds import Bounds
from serve.artifact.listing import Listing
from serve.artifact.pin import FILENAME, FOLDER, Pin, PinnedModel, write
from serve.artifact.remote import Settings, of_author, of_operator
from serve.artifact.verify import compare, manifest, require
from serve.errors import DigestMismatch, MachineFailed, PinTooLarge, PullFailed
from serve.scratch import writable

log = structlog.get_logger()

_WITH_BUCKETS = ("s3", "gs", "azure")  # which may not be there


@dataclass(frozen=True, slots=True)
class Store:
    """Where things are: the git repository, and the state folder that this server owns.

    `remote` is what the operator says of where to pull from. Only for the `author` of a repository, as in a promotion,
    its own settings of DVC are used in full: they can have DVC run commands.
    """

    repo: Path
    state: Path
    remote: str | None = None
    author: bool = False

    def snapshot(self, model: PinnedModel) -> Path:
        """The folder that holds, or would hold, this model's bytes."""
        return self.state / "snapshots" / model.digest.removeprefix("sha256:")

    def settings(self) -> Settings:
        """What DVC may run with."""
        return of_author(self.repo) if self.author else of_operator(self.repo, self.remote)


@dataclass(frozen=True, slots=True)
class PullLimits:
    """How long one pull may take, and stand still, in seconds; and how much a pin may ask for."""

    timeout_seconds: float
    stall_seconds: float = math.inf
    max_bytes: float = math.inf
    max_files: float = math.inf


async def fetch(store: Store, pin: Pin, limits: PullLimits, told: Callable[[int], object] = int) -> bool:
    """Make every snapshot of `pin` present; whether anything had to be pulled for it. `told` hears the bytes so far.

    Raises `PullFailed` where the bytes can't be had, `MachineFailed` where they find no room here and `DigestMismatch`
    where they are not the pinned ones; before anything is run `PinTooLarge` and `RemoteNotTrusted`, before anything is
    pulled `ListingRefused`.
    """
    if all(store.snapshot(model).is_dir() for model in pin.models):
        return False
    if not writable(store.state):
        raise PullFailed(f"{FILENAME} pins what the state folder lacks, and that folder is read-only")
    _require_within(pin, limits)
    settings = await asyncio.to_thread(store.settings)
    if settings.ignored:
        log.warning("settings of the repository ignored", keys=list(settings.ignored))
    async with dvc.checkout(store.repo, store.state, settings) as scratch:
        (scratch.folder / FILENAME).write_bytes(write(pin))
        await asyncio.to_thread(cache.sweep, scratch.cache)
        pinned = await pull(scratch, pin, limits, told)
        wrong = await asyncio.to_thread(_differences, scratch, pinned)
        if wrong:
            evict(scratch, pinned, wrong)
            await pull(scratch, pin, limits, told)
            wrong = await asyncio.to_thread(_differences, scratch, pinned)
        if wrong:
            evict(scratch, pinned, wrong)
            raise DigestMismatch(f"what was pulled is not what was pinned: {', '.join(wrong)}")
        await _to_its_end(asyncio.to_thread(_freeze_all, store, scratch, pin))
    return True


def _require_within(pin: Pin, limits: PullLimits) -> None:
    """What a pin says of its own size is believed where it says too much; what comes is held to it later."""
    if pin.size > limits.max_bytes:
        setting = "PINION_ARTIFACT__MAX_BYTES"
        raise PinTooLarge(f"{FILENAME} pins {pin.size} bytes; at most {limits.max_bytes:.0f} are pulled ({setting})")
    if pin.files > limits.max_files:
        setting = "PINION_ARTIFACT__MAX_FILES"
        raise PinTooLarge(f"{FILENAME} pins {pin.files} files; at most {limits.max_files:.0f} are pulled ({setting})")


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work`; cancelled meanwhile, only after it has ended: it works in the folder that we are to remove."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


async def pull(scratch: dvc.Scratch, pin: Pin, limits: PullLimits, told: Callable[[int], object] = int) -> Listing:
    """`dvc pull` in a scratch checkout that holds models.dvc → the MD5 of every pinned file.

    `PullFailed` names what could not be had; no object that this pull cut short is in the cache then.
    """
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            pinned = await listed(scratch, pin, limits)
            await _pull(scratch, pin, pinned, limits, told)
    except TimeoutError:
        why = f"the pull took longer than {limits.timeout_seconds:g} seconds and was stopped"
        raise PullFailed(why) from None
    return pinned


async def _pull(
    scratch: dvc.Scratch, pin: Pin, pinned: Listing, limits: PullLimits, told: Callable[[int], object]
) -> None:
    oids = set(pinned.values())
    had = await asyncio.to_thread(cache.present, scratch.cache, oids)
    within = bounds.of_pull(pin.size, pin.files, limits.stall_seconds, told)
    try:
        async with _leaving_no_temporaries(scratch.cache, oids):
            await dvc.run(scratch, "pull", "--force", FILENAME, timeout_seconds=limits.timeout_seconds, within=within)
    except (PullFailed, MachineFailed) as error:
        await _to_its_end(asyncio.to_thread(cache.remove_wrong, scratch.cache, oids - had))
        if isinstance(error, MachineFailed):
            raise
        has = await asyncio.to_thread(cache.present, scratch.cache, oids)
        absent = [f"{FOLDER}/{path}" for path, oid in sorted(pinned.items()) if oid not in has]
        if absent:
            raise PullFailed(f"the remote has no intact copy of {_few(absent)} ({error.message})") from error
        raise


@contextlib.asynccontextmanager
async def _leaving_no_temporaries(place: Path, oids: Collection[str]) -> AsyncIterator[None]:
    """A block that fails, or is cancelled, leaves no file behind that it was downloading to."""
    before = await asyncio.to_thread(cache.temporaries, place, oids)
    try:
        yield
    except BaseException:
        left = await asyncio.to_thread(cache.temporaries, place, oids)
        await _to_its_end(asyncio.to_thread(cache.remove_temporaries, left - before))
        raise


async def listed(scratch: dvc.Scratch, pin: Pin, limits: PullLimits) -> Listing:
    """DVC's listing of the folder, from the cache or else the remote; in the cache, once it was read."""
    data = await asyncio.to_thread(cache.get, scratch.cache, pin.oid, listing.most_bytes(pin))
    if data is not None:
        return await asyncio.to_thread(listing.parse, data, pin)
    data = await _downloaded(scratch, pin, limits)
    if cache.md5(data) != pin.oid.removesuffix(".dir"):
        raise PullFailed(f"the remote has no intact copy of {pin.oid}, DVC's listing of {FOLDER}/")
    pinned = await asyncio.to_thread(listing.parse, data, pin)
    await asyncio.to_thread(cache.put, scratch.cache, pin.oid, data)
    return pinned


async def _downloaded(scratch: dvc.Scratch, pin: Pin, limits: PullLimits) -> bytes:
    """The bytes that the remote has as the listing, which DVC copies as a file like any other."""
    most = listing.most_bytes(pin)
    source, target = f"remote://{scratch.remote}/files/md5/{pin.oid[:2]}/{pin.oid[2:]}", scratch.folder / ".listing"
    within = Bounds(limits.stall_seconds, most, 2 * most + bounds.MARGIN_BYTES)
    try:
        await dvc.run(
            scratch, "get-url", "--force", source, target.name, timeout_seconds=limits.timeout_seconds, within=within
        )
    except PullFailed as error:
        if "does not exist" not in error.message:
            raise
        if scratch.scheme in _WITH_BUCKETS:
            await _require_bucket(scratch, limits)
        raise PullFailed(await asyncio.to_thread(_absent, scratch, pin.oid)) from error
    return await asyncio.to_thread(target.read_bytes)


async def _require_bucket(scratch: dvc.Scratch, limits: PullLimits) -> None:
    """Of a bucket that is not there DVC says no more than of an object that is not; asked for all, it says so."""
    try:
        await dvc.run(scratch, "ls-url", f"remote://{scratch.remote}/", timeout_seconds=limits.timeout_seconds)
    except PullFailed as error:
        if "bucket" in error.message:
            raise


def _absent(scratch: dvc.Scratch, oid: str) -> str:
    """What it may mean that DVC finds no such object: of a remote that does not answer it often says the same."""
    told = f"neither the cache nor the remote has {oid}: push it from where it was made"
    if scratch.scheme:
        return f"{told}, unless the remote does not answer, or lets this server in no more"
    folder = Path(scratch.url)
    there = folder.is_dir() and any(folder.iterdir())
    return told if there else f"the remote's folder {folder} is not there, or has nothing in it: is it mounted?"


def _few(paths: list[str]) -> str:
    more = f" and {len(paths) - 12} more" if len(paths) > 12 else ""
    return ", ".join(paths[:12]) + more


def _differences(scratch: dvc.Scratch, pinned: Listing) -> tuple[str, ...]:
    return compare(pinned, manifest(scratch.folder / FOLDER))


def evict(scratch: dvc.Scratch, pinned: Listing, wrong: tuple[str, ...]) -> None:
    """Remove the objects of changed files from DVC's cache, which would trust them for ever."""
    for told in wrong:
        oid = pinned.get(told.removesuffix(" (changed)"))
        if oid is not None:
            scratch.object(oid).unlink(missing_ok=True)


def _freeze_all(store: Store, scratch: dvc.Scratch, pin: Pin) -> None:
    pulled = scratch.folder / FOLDER
    unpinned = {entry.name for entry in pulled.iterdir()} - {model.name for model in pin.models}
    if unpinned:
        raise DigestMismatch(f"{FOLDER}/ holds {', '.join(sorted(unpinned))}, which {FILENAME} does not name")
    size = 0
    for model in pin.models:
        if not (pulled / model.name).is_dir():
            raise DigestMismatch(f"{FILENAME} names the model '{model.name}', which {FOLDER}/ does not hold")
        size += sum(file.size for file in require(pulled / model.name, model.name, model.digest).values())
    if size != pin.size:
        raise DigestMismatch(f"what was pulled has {size} bytes, and {FILENAME} pins {pin.size}")
    for model in pin.models:
        freeze(pulled / model.name, store.snapshot(model))


def freeze(folder: Path, snapshot: Path) -> None:
    """Make `folder` read-only and move it to `snapshot` in one rename, on the same file system."""
    if snapshot.is_dir():
        return
    for root, _, files in os.walk(folder, topdown=False):
        for name in files:
            _seal(Path(root, name), stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(snapshot)
    except OSError:
        if not snapshot.is_dir():  # where it is, another server was quicker with the same bytes
            raise
        return
    for root, _, _ in os.walk(snapshot):
        Path(root).chmod(0o555)
    _sync(snapshot.parent)


def _seal(path: Path, mode: int) -> None:
    path.chmod(mode)
    _sync(path)


def _sync(path: Path) -> None:
    """Bytes on disk before the name is: a power cut leaves a snapshot whole or absent."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
