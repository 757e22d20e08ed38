"""A repository that pins three files, one of them large, and what becomes of a pull of it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from serve.artifact import cache, dvc, fetch, verify
from serve.artifact.fetch import PullLimits, Store
from serve.artifact.pin import Pin
from serve.errors import RolloutFailed

MIB = 2**20
LARGE_BYTES = 300_000
PATIENT = PullLimits(timeout_seconds=120.0)


@dataclass(frozen=True)
class Pinned:
    """A repository in `root` that pins three files, one of them large, whose objects its remote has."""

    root: Path
    pin: Pin

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    @property
    def remote(self) -> Path:
        return self.repo / "remote"

    @property
    def cache(self) -> Path:
        return self.repo / ".dvc" / "cache"

    def store(self, state: str = "state", remote: str | None = None) -> Store:
        return Store(self.repo, self.root / state, remote)

    def complete(self, state: str = "state") -> bool:
        """Whether the snapshot is there; what is there is whole."""
        model = self.pin.models[0]
        folder = self.store(state).snapshot(model)
        if folder.is_dir():
            verify.require(folder, model.name, model.digest)
        return folder.is_dir()

    def wrong(self) -> list[str]:
        """Objects in the cache that are not what they are named."""
        objects = [one for one in (self.cache / "files" / "md5").glob("??/*") if not one.name.endswith(".tmp")]
        return [one.name for one in objects if md5(one.read_bytes()) != (one.parent.name + one.name).split(".")[0]]


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def put(pinned: Pinned, data: bytes, suffix: str = "") -> str:
    """An object in the remote → its name."""
    oid = md5(data) + suffix
    place = cache.place(pinned.remote, oid)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return oid


def large(folder: Path) -> Path:
    return next(one for one in folder.rglob("??/*") if one.is_file() and one.stat().st_size == LARGE_BYTES)


async def failure(pinned: Pinned, limits: PullLimits = PATIENT, remote: str | None = None, state: str = "state") -> str:
    """Why the pull failed; after it, nothing of DVC's runs, no snapshot is there and no scratch is left."""
    with pytest.raises(RolloutFailed) as caught:
        await fetch.fetch(pinned.store(state, remote), pinned.pin, limits)
    assert [one for one in psutil.Process().children(recursive=True) if dvc.PROGRAM in one.cmdline()] == []
    assert not pinned.complete(state)
    assert list((pinned.root / state / "scratch").glob("*")) == []
    assert str(pinned.root) not in caught.value.message
    return caught.value.message
