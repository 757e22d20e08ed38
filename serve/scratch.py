"""Folders for work in progress, below the state folder: `<state>/scratch/<pid of the owner>-<random>`.

An owner removes its own when done; what a killed owner left is removed by the next server to start. It holds the
kernel's shared lock (flock) on each meanwhile, for a number tells nothing of processes in other containers. Where the
state folder can't be written, as in an image that was prepared when it was built, they lie in the system's folder
for temporary files, which the system empties.
"""

import contextlib
import fcntl
import itertools
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_owned: dict[Path, int] = {}  # this process's folders, and the descriptors that hold their locks


def writable(state: Path) -> bool:
    """Whether anything can be put into this state folder, or it made; not so in an image, which holds all it needs."""
    nearest = next(place for place in (state, *state.parents) if place.exists())
    return os.access(nearest, os.W_OK)


def begin(state: Path) -> None:
    """Make a server's state folder ready; `OSError` where it is of no use, neither written nor prepared before."""
    if not writable(state):
        os.scandir(state).close()
        return
    (state / "scratch").mkdir(parents=True, exist_ok=True)
    ignored = state / ".gitignore"  # it is never the repository's business
    if not ignored.exists() or not ignored.stat().st_size:  # not written anew: on a full disk what is there serves on
        ignored.write_text("*\n", encoding="utf-8")
    sweep(state)


def make(state: Path) -> Path:
    """A new empty folder that this process owns."""
    if not writable(state):
        return Path(tempfile.mkdtemp(prefix="pinion-"))
    parent = state / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent, fcntl.LOCK_SH):  # nobody sweeps it before it is ours
        place = Path(tempfile.mkdtemp(dir=parent, prefix=f"{os.getpid()}-"))
        _owned[place] = _lock(place, fcntl.LOCK_SH)
    return place


def remove(folder: Path) -> None:
    """Remove a scratch folder, whatever is in it; what can't be removed is left to be swept.

    A model wrote there, and may be writing still: nothing in it is reached by a path, on which a link could lead out.
    """
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
        descriptor = os.open(folder, _FOLDER)
        try:
            _empty(descriptor)
        finally:
            os.close(descriptor)
        folder.rmdir()
    if folder in _owned:
        os.close(_owned.pop(folder))


def _empty(top: int) -> None:
    """Remove all in an open folder. What is in folders of it is moved up first: no depth is too deep."""
    mark = secrets.token_hex(8)
    names = (f"{mark}-{number}" for number in itertools.count())
    waiting = _cleared(top, top, names)
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            descriptor = os.open(name, _FOLDER, dir_fd=top)
            try:
                waiting += _cleared(descriptor, top, names)
            finally:
                os.close(descriptor)
            os.rmdir(name, dir_fd=top)


def _cleared(folder: int, top: int, names: Iterator[str]) -> list[str]:
    """Remove the files in an open folder, and move the folders in it to `top`, as `names` → their names there."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    moved = []
    for name, is_folder in found:
        with contextlib.suppress(OSError, ValueError):  # the latter where it is a link by now, which has no mode
            if is_folder:
                os.chmod(name, 0o700, dir_fd=folder, follow_symlinks=False)
                moved.append(next(names))
                os.rename(name, moved[-1], src_dir_fd=folder, dst_dir_fd=top)
            else:
                os.unlink(name, dir_fd=folder)
    return moved


@contextlib.contextmanager
def folder(state: Path) -> Iterator[Path]:
    """A scratch folder for the length of a block."""
    place = make(state)
    try:
        yield place
    finally:
        remove(place)


def discard(state: Path, place: Path) -> None:
    """Remove a folder of the state; `OSError` where it can't be. Interrupted, it is whole or absent.

    It is moved into a scratch folder first, in one rename: what is left of it there is swept.
    """
    with folder(state) as away:
        place.chmod(0o755)  # a folder that can't be written can't be given another parent
        place.rename(away / place.name)


def sweep(state: Path) -> None:
    """Remove the scratch folders that no process owns any more; none where the file system has no locks."""
    parent = state / "scratch"
    with contextlib.suppress(OSError), _locked(parent, fcntl.LOCK_EX):
        for place in parent.glob("*-*"):
            with contextlib.suppress(OSError), _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB):
                remove(place)


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    descriptor = _lock(folder, how)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path, how: int) -> int:
    """The folder's descriptor, which holds the lock until it is closed.

    `OSError` where another's is in the way. Where there are no locks, nobody gets one to remove, and all may share.
    """
    descriptor = os.open(folder, _FOLDER)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        if how != fcntl.LOCK_SH:
            os.close(descriptor)
            raise
    return descriptor
