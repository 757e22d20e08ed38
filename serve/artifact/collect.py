"""What the state folder need not keep: snapshots that nobody uses nor used lately, and environments that none needs.

What is to go is moved away in one rename and deleted where it lies then, so that an interruption leaves a folder whole
or absent. Nothing that anyone has a lease on is touched, by whichever server. The snapshots of one release were used
last at the same time to the nanosecond, and that is how they are told from those of another.
"""

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from serve import scratch
from serve.artifact.lease import alone

log = structlog.get_logger()

_FRESH_SECONDS = 3600.0


def note_use(folders: Iterable[Path]) -> None:
    """These, the snapshots of one release, are used now."""
    now = time.time_ns()
    for folder in folders:
        with contextlib.suppress(OSError):  # it is another user's, or on a read-only file system
            os.utime(folder, ns=(now, now))


def snapshots(state: Path, keep: int) -> list[Path]:
    """Remove all but those of the `keep` releases used last, and those in use → those that are left."""
    left, times = [], set[int]()
    for folder in sorted(_folders(state / "snapshots"), key=_used, reverse=True):
        with alone(folder) as unused:
            if unused and len(times | {_used(folder)}) > keep and _discard(state, folder):
                continue
            left.append(folder)
            if unused:
                times.add(_used(folder))
    return left


def environments(state: Path, needed: Collection[str]) -> None:
    """Remove all but those of the names in `needed`, those in use, those being built, and those made of late.

    A promotion makes one before anything is pinned that needs it.
    """
    fresh = time.time_ns() - _FRESH_SECONDS * 1e9
    for folder in _folders(state / "environments"):
        if folder.name in needed or _used(folder) > fresh:
            continue
        with contextlib.suppress(Timeout, OSError), FileLock(f"{folder}.lock", timeout=0), alone(folder) as unused:
            if unused:
                _discard(state, folder)


def _folders(parent: Path) -> list[Path]:
    """None where `parent` is a link: what it leads to is shared with others, who need what we don't."""
    return [place for place in parent.glob("*") if place.is_dir()] if not parent.is_symlink() else []


def _used(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:  # another server was quicker to remove it
        return 0


def _discard(state: Path, folder: Path) -> bool:
    try:
        scratch.discard(state, folder)
    except OSError as error:
        log.warning("can't be removed", folder=folder.name, reason=error.strerror)
        return False
    log.info("removed", kind=folder.parent.name, name=folder.name[:12])
    return True
