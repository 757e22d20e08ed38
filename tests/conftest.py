"""What takes long goes first, so that no process of a run is left with it at the end; what many need is made once."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from filelock import FileLock

# A job that a script puts in the background ignores SIGINT, and so would all that tests start, and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_ROOT = Path(__file__).parent
_LONGEST_FIRST = ("e2e/test_whole_path.py", "e2e", "chaos", "integration", "differential")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Within each of these the order stays as drawn."""
    items.sort(key=lambda item: _place(item.path.relative_to(_ROOT)))


def _place(path: Path) -> int:
    return next((at for at, one in enumerate(_LONGEST_FIRST) if path.is_relative_to(one)), len(_LONGEST_FIRST))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, for all processes of a run: by the first to want it, while the others wait.

    Nobody may change it: who wants to takes a copy.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    made = folder.with_suffix(".made")
    with FileLock(folder.with_suffix(".lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """A command that a test runs in its own process sets up the log; the next test has it as it was."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
