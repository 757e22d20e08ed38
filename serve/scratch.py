"""Folders for work in progress, below the state folder: `<state>/scratch/<pid of the owner>-<random>`.

An owner removes its own when done; what a killed owner left is removed by the next server to start. Where the
state folder can't be written, as in an image that was prepared when it was built, they lie in the system's folder
for temporary files, which the system empties.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


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
    return Path(tempfile.mkdtemp(dir=parent, prefix=f"{os.getpid()}-"))


def remove(folder: Path) -> None:
    """Remove a scratch folder, whatever permissions were set in it."""
    for root, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(root).chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


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
    """Remove the scratch folders of processes that are no more; called before this process makes its first.

    So one with our own number is a predecessor's: in a container every server has the same.
    """
    for place in (state / "scratch").glob("*-*"):
        owner = place.name.split("-")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or not Path("/proc", owner).exists()):
            remove(place)
