"""Traces the memory of every Python process that is started with this folder as PYTHONPATH.

SIGUSR1 has one write a snapshot, whole as soon as it is there, into the folder TRACED: 0, 1, 2 and so on.
"""

import gc
import itertools
import os
import signal
import tracemalloc
from pathlib import Path

_NUMBERS = itertools.count()


def _snapshot(*_: object) -> None:
    gc.collect()
    target = Path(os.environ["TRACED"]) / str(next(_NUMBERS))
    tracemalloc.take_snapshot().dump(str(target.with_suffix(".part")))
    target.with_suffix(".part").rename(target)


tracemalloc.start()
signal.signal(signal.SIGUSR1, _snapshot)
