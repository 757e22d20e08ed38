"""DVC's cache: objects by their MD5, which DVC believes to be what they are named once they are read-only.

So what may be wrong in it must not stay: DVC keeps what a cut connection left of an object, under the object's name.
Others use the cache at the same time; whatever is put here comes whole, in one rename.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Collection, Iterable
from pathlib import Path

_ABANDONED_SECONDS = 3600.0


def place(cache: Path, oid: str) -> Path:
    """Where the cache keeps the object named `oid` (MD5 in hex, '.dir' behind it for a listing)."""
    return cache / "files" / "md5" / oid[:2] / oid[2:]


def md5(data: bytes) -> str:
    """DVC's name for these bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def get(cache: Path, oid: str, most_bytes: int) -> bytes | None:
    """The object's bytes; None where it is not there, or not what it is named: then it is removed."""
    path = place(cache, oid)
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        return None
    if md5(data) == oid.removesuffix(".dir"):
        return data
    path.unlink(missing_ok=True)
    return None


def put(cache: Path, oid: str, data: bytes) -> None:
    """Keep `data` as the object `oid`, whose name it has; read-only, as DVC keeps it."""
    path = place(cache, oid)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o444)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def present(cache: Path, oids: Iterable[str]) -> set[str]:
    """Those of the objects that the cache has, right or wrong."""
    return {oid for oid in oids if place(cache, oid).is_file()}


def remove_wrong(cache: Path, oids: Collection[str]) -> None:
    """Hash each of the objects that is there, and remove those whose bytes are not what they are named."""
    for oid in oids:
        path = place(cache, oid)
        with contextlib.suppress(FileNotFoundError):
            if _md5_of(path) != oid:
                path.unlink()


def sweep(cache: Path) -> None:
    """Remove what killed downloads left, once nobody can be writing it any more."""
    before = time.time() - _ABANDONED_SECONDS
    for left in (cache / "files" / "md5").glob("??/.*.tmp"):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < before:
                left.unlink()


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
