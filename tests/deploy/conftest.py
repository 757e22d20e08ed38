"""The oracle's two promotions, as the tests of chaos have them, and what becomes of what is there of them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.conftest import promoted, repository
from tests.e2e.conftest import Repository, two_promotions

__all__ = ["forget", "promoted", "repository", "two_promotions", "unreachable"]


def forget(repository: Repository) -> None:
    """Whatever is served next is pulled from the remote."""
    for there in (repository.state / "snapshots", repository.folder / ".dvc" / "cache", repository.folder / "models"):
        shutil.rmtree(there, ignore_errors=True)


@contextmanager
def unreachable(repository: Repository) -> Iterator[None]:
    """The remote is gone until the end of the block."""
    remote = repository.folder / "remote"
    gone = remote.rename(remote.with_suffix(".gone"))
    yield
    gone.rename(remote)
