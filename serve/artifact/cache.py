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


def temporaries(cache: Path, oids: Iterable[str]) -> set[Path]:
    """The files that downloads of these objects, anyone's, are being written to or were left in."""
    folders = {place(cache, oid).parent for oid in oids}
    return {one for folder in folders for one in folder.glob(".*.tmp")}


def remove_temporaries(left: Iterable[Path]) -> None:
    """Remove files that a failed download left, but for those that someone else is writing."""
    written = _open_files()
    for one in left:
        if str(one.resolve()) not in written:
            one.unlink(missing_ok=True)


def sweep(cache: Path) -> None:
    """Remove what killed downloads left, once nobody can be writing it any more."""
    before = time.time() - _ABANDONED_SECONDS
    for left in (cache / "files" / "md5").glob("??/.*.tmp"):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < before:
                left.unlink()


def _open_files() -> set[str]:
    """The paths that processes of this machine have open, as far as we may know."""
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(descriptor))
    return found


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
