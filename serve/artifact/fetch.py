"""`dvc pull` of one pin, in a scratch checkout → a verified, read-only snapshot folder for each model.

A snapshot is kept as `<state>/snapshots/<tree digest>`, complete or absent: bytes are hashed in the scratch
checkout first and moved there in one rename. What is there already is not pulled again, so a rollback needs no
network. A corrupt object found in DVC's cache is removed from it and pulled once more.
"""

import asyncio
import hashlib
import json
import os
import stat
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.artifact import dvc
from serve.artifact.pin import FILENAME, FOLDER, Pin, PinnedModel, write
from serve.artifact.verify import compare, manifest, require
from serve.errors import DigestMismatch, PullFailed
from serve.scratch import writable


@dataclass(frozen=True, slots=True)
class Store:
    """Where things are: the git repository, and the state folder that this server owns."""

    repo: Path
    state: Path

    def snapshot(self, model: PinnedModel) -> Path:
        """The folder that holds, or would hold, this model's bytes."""
        return self.state / "snapshots" / model.digest.removeprefix("sha256:")


async def fetch(store: Store, pin: Pin, timeout_seconds: float) -> bool:
    """Make every snapshot of `pin` present; whether anything had to be pulled for it.

    Raises `PullFailed` where the bytes can't be had and `DigestMismatch` where they are not the pinned ones.
    """
    if all(store.snapshot(model).is_dir() for model in pin.models):
        return False
    if not writable(store.state):
        raise PullFailed(f"{FILENAME} pins what the state folder {store.state} lacks, and that folder is read-only")
    with dvc.checkout(store.repo, store.state) as scratch:
        (scratch.folder / FILENAME).write_bytes(write(pin))
        await pull(scratch, timeout_seconds)
        wrong = await asyncio.to_thread(_differences, scratch, pin)
        if wrong:
            evict(scratch, pin, wrong)
            await pull(scratch, timeout_seconds)
            wrong = await asyncio.to_thread(_differences, scratch, pin)
        if wrong:
            evict(scratch, pin, wrong)
            raise DigestMismatch(f"what was pulled is not what was pinned: {', '.join(wrong)}")
        await _to_its_end(asyncio.to_thread(_freeze_all, store, scratch, pin))
    return True


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work`; cancelled meanwhile, only after it has ended: it works in the folder that we are to remove."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


async def pull(scratch: dvc.Scratch, timeout_seconds: float) -> None:
    """`dvc pull` in a scratch checkout that holds models.dvc; `PullFailed` names what the remote lacks."""
    try:
        await dvc.run(scratch, "pull", "--force", FILENAME, timeout_seconds=timeout_seconds)
    except PullFailed as error:
        absent = await _absent(scratch, timeout_seconds)
        if absent:
            raise PullFailed(f"the remote has no intact copy of {', '.join(absent)} ({error.message})") from error
        raise


def listing(scratch: dvc.Scratch, pin: Pin) -> Mapping[str, str]:
    """The MD5 of every pinned file by its path below `models/`, from DVC's own listing, itself checked."""
    path = scratch.object(pin.oid)
    if not path.is_file():
        raise PullFailed(f"the remote has no listing {pin.oid}")
    text = path.read_bytes()
    if hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir" != pin.oid:
        path.unlink()
        raise DigestMismatch(f"DVC's listing {pin.oid} is corrupt; it was removed from the cache")
    return {entry["relpath"]: entry["md5"] for entry in json.loads(text)}


async def _absent(scratch: dvc.Scratch, timeout_seconds: float) -> list[str]:
    """Pinned files whose objects the pull could not bring into the cache, as far as DVC can name them."""
    try:
        told = await dvc.run(
            scratch, "list", ".", FOLDER, "--recursive", "--show-hash", "--json", timeout_seconds=timeout_seconds
        )
    except PullFailed:
        return []
    files = [(entry["path"], entry["md5"]) for entry in json.loads(told)]
    return [f"{FOLDER}/{path}" for path, oid in sorted(files) if not scratch.object(oid).is_file()]


def _differences(scratch: dvc.Scratch, pin: Pin) -> tuple[str, ...]:
    return compare(listing(scratch, pin), manifest(scratch.folder / FOLDER))


def evict(scratch: dvc.Scratch, pin: Pin, wrong: tuple[str, ...]) -> None:
    """Remove the objects of changed files from DVC's cache, which would trust them for ever."""
    pinned = listing(scratch, pin)
    for told in wrong:
        oid = pinned.get(told.removesuffix(" (changed)"))
        if oid is not None:
            scratch.object(oid).unlink(missing_ok=True)


def _freeze_all(store: Store, scratch: dvc.Scratch, pin: Pin) -> None:
    pulled = scratch.folder / FOLDER
    unpinned = {entry.name for entry in pulled.iterdir()} - {model.name for model in pin.models}
    if unpinned:
        raise DigestMismatch(f"{FOLDER}/ holds {', '.join(sorted(unpinned))}, which {FILENAME} does not name")
    for model in pin.models:
        if not (pulled / model.name).is_dir():
            raise DigestMismatch(f"{FILENAME} names the model '{model.name}', which {FOLDER}/ does not hold")
        require(pulled / model.name, model.name, model.digest)
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
