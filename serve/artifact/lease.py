"""Folders in use: while any process holds a lease on one, nobody collects it.

A lease is the kernel's shared lock (flock) on the folder itself. So nothing is written, in a read-only state folder
either; servers that share one hold theirs side by side; and a lease ends with its process, however that ends. Who
would remove a folder must have it `alone` first.
"""

import contextlib
import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path


class Leases:
    """The folders that this process uses. Owned by one task, on the event loop."""

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}

    def __enter__(self) -> "Leases":
        return self

    def __exit__(self, *_: object) -> None:
        self.keep_only(())

    def take(self, folder: Path) -> bool:
        """Hold `folder` from now on; False where there is none, or not any more."""
        held = self._held.pop(folder, None)
        if held is None:
            held = _opened(folder)
            if held is None:
                return False
            with contextlib.suppress(OSError):  # on a file system without locks, where nobody gets one to remove either
                fcntl.flock(held, fcntl.LOCK_SH)
        if not _is(folder, held):
            os.close(held)
            return False
        self._held[folder] = held
        return True

    def keep_only(self, folders: Collection[Path]) -> None:
        """Let go of every folder but these."""
        for folder in self._held.keys() - set(folders):
            os.close(self._held.pop(folder))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether nobody, this process included, has a lease on `folder`; nor can take one in the block, if so."""
    descriptor = _opened(folder)
    if descriptor is None:
        yield False
        return
    try:
        yield _locked_alone(descriptor) and _is(folder, descriptor)
    finally:
        os.close(descriptor)


def _locked_alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _opened(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None


def _is(folder: Path, descriptor: int) -> bool:
    """Whether it is still the folder that was opened, for it may have been removed, and made anew, before the lock."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except OSError:
        return False
