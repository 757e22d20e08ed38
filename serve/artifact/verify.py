"""Hash every file of a folder and compare with what was pinned: agreement, or every difference by name.

The tree digest of a folder is the SHA-256 of its manifest; the manifest has one line a file, sorted by path
(as UTF-8 bytes), as `sha256sum` prints it: `<sha256 hex>  <path>\\n`. So anyone can check one with coreutils:

    cd models/digits && find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -rd '\\n' sha256sum -- | sha256sum

Links, devices and sockets are refused: only bytes are pinned. So is a name with a line end or a backslash, which
could pass for several lines.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from serve.errors import DigestMismatch

_CHUNK = 1 << 20
_MANIFEST_CHARACTERS = frozenset("\n\r\\")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file's size in bytes and its hashes in hex: SHA-256 for us, MD5 for DVC."""

    size: int
    sha256: str
    md5: str


Manifest = Mapping[str, FileDigest]  # by path relative to the folder, '/'-separated


def manifest(folder: Path) -> Manifest:
    """The digests of every file below `folder`; `DigestMismatch` where something there is no plain file."""
    return {path: _digest(folder / path) for path in _files(folder)}


def tree_digest(files: Manifest) -> str:
    """'sha256:' and the hex tree digest of a manifest."""
    lines = (f"{files[path].sha256}  {path}\n" for path in sorted(files, key=os.fsencode))
    return "sha256:" + hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def compare(pinned: Mapping[str, str], found: Manifest) -> tuple[str, ...]:
    """Every difference between pinned MD5s by path and the files found, as 'path (extra|missing|changed)'."""
    differences = [f"{path} (missing)" for path in sorted(pinned.keys() - found.keys())]
    differences += [f"{path} (extra)" for path in sorted(found.keys() - pinned.keys())]
    both = sorted(pinned.keys() & found.keys())
    differences += [f"{path} (changed)" for path in both if found[path].md5 != pinned[path]]
    return tuple(differences)


def require(folder: Path, name: str, digest: str) -> Manifest:
    """The manifest of `folder`, whose tree digest must be `digest`; `DigestMismatch` otherwise."""
    files = manifest(folder)
    found = tree_digest(files)
    if found != digest:
        raise DigestMismatch(f"model '{name}' is not what was pinned: its tree digest is {found}, pinned {digest}")
    return files


def _files(folder: Path) -> Iterator[str]:
    """Paths of all files below `folder`; folders are walked, anything else is refused."""
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(folder / below) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if not _MANIFEST_CHARACTERS.isdisjoint(entry.name):
                    raise DigestMismatch(f"{path!r} has a line end or a backslash in its name")
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    pending.append(path)
                elif stat.S_ISREG(mode):
                    yield path
                else:
                    raise DigestMismatch(f"{path} is a link or a device; only plain files are pinned")


def _digest(path: Path) -> FileDigest:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return FileDigest(size, sha256.hexdigest(), md5.hexdigest())
