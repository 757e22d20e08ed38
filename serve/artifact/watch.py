"""Yields a new pin whenever what models.dvc says has changed, and settled; or why it can't be read.

`git checkout` deletes the file, creates it empty and then fills it, so what is there counts once two looks in a row
agree. Looking is one small read every `interval_seconds`: it works on every file system and through every kind of
mount, which notification by the kernel does not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from serve import files
from serve.artifact.pin import FILENAME, MAX_BYTES, Pin, read
from serve.errors import PinUnreadable


def look(repo: Path) -> bytes:
    """The bytes of models.dvc as they are now, up to one more than a pin may have; b'' where there is no such file."""
    found = _look(repo)
    return b"" if isinstance(found, str) else found


def pinned(repo: Path) -> Pin:
    """What models.dvc pins as it is now; `PinUnreadable` says why there is nothing."""
    found = _read(_look(repo))
    if isinstance(found, PinUnreadable):
        raise found
    return found


async def pins(
    repo: Path, interval_seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[Pin | PinUnreadable]:
    """Every settled pin, or why there is none; the same pin is not yielded twice in a row."""
    seen: bytes | str | None = None
    before, current = seen, None
    while True:
        now = _look(repo)
        if now == before and now != seen:
            seen = now
            found = await asyncio.to_thread(_read, now)  # YAML made to that end takes a second, which all would wait
            if found != current:
                current = found
                yield found
        before = now
        await sleep(interval_seconds)


def _look(repo: Path) -> bytes | str:
    """The bytes of models.dvc, or a sentence that says why there are none."""
    try:
        return files.head(repo / FILENAME, MAX_BYTES + 1)
    except FileNotFoundError:
        return f"there is no {FILENAME} in the repository" if repo.is_dir() else f"there is no folder {repo} any more"
    except OSError as error:
        return f"{FILENAME} can't be read: {error.strerror}"


def _read(found: bytes | str) -> Pin | PinUnreadable:
    if isinstance(found, str):
        return PinUnreadable(found)
    try:
        return read(found)
    except PinUnreadable as error:
        return error
