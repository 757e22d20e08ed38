"""Yields a new pin whenever what models.dvc says has changed, and settled.

`git checkout` deletes the file, creates it empty and then fills it, so missing, empty or unreadable content is
no change; and content counts once two looks in a row agree. Looking is one small read every `interval_seconds`:
it works on every file system and through every kind of mount, which notification by the kernel does not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from serve import files
from serve.artifact.pin import FILENAME, MAX_BYTES, Pin, read
from serve.errors import PinUnreadable

log = structlog.get_logger()


def look(repo: Path) -> bytes:
    """The bytes of models.dvc as they are now, up to one more than a pin may have; b'' where there is no such file."""
    try:
        return files.head(repo / FILENAME, MAX_BYTES + 1)
    except OSError:
        return b""


async def pins(
    repo: Path, interval_seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[Pin]:
    """Every settled, readable pin; the same pin is not yielded twice in a row."""
    seen, before, current = b"", b"", None
    while True:
        now = look(repo)
        if now and now == before and now != seen:
            seen = now
            pin = await asyncio.to_thread(_readable, now)  # YAML made to that end takes a second, which all would wait
            if pin is not None and pin != current:
                current = pin
                yield pin
        before = now
        await sleep(interval_seconds)


def _readable(data: bytes) -> Pin | None:
    try:
        return read(data)
    except PinUnreadable as error:
        log.warning("pin unreadable", reason=error.message)
        return None
