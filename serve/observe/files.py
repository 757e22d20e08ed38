"""Rows of a recording → Parquet files in a folder, each complete from the moment it has its name.

A file is written under a hidden name, and renamed once it is whole: who reads the folder meets no half of one. Its
lock says that its writer lives; what a writer that was killed left behind is removed by the next. The oldest files are
removed so that all, with the one being written, take no more than they may. Owned by one thread.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([
    ("time", pa.timestamp("us", "UTC")),
    ("request_id", pa.string()),
    ("path", pa.string()),
    ("status", pa.int16()),
    ("seconds", pa.float64()),
    ("rows", pa.int32()),
    ("model", pa.string()),
    ("digest", pa.string()),
    ("revision", pa.string()),
    ("run", pa.string()),
    ("content_type", pa.string()),
    ("accept", pa.string()),
    ("json_bytes", pa.int32()),
    ("request", pa.binary()),
    ("answer_content_type", pa.string()),
    ("answer", pa.binary()),
])  # fmt: skip

_PREFIX = "pinion-"
_SUFFIX = ".parquet"
_UNFINISHED = ".part"


class Bounds(NamedTuple):
    """Of all files together, and of one, in bytes and seconds."""

    max_bytes: int
    file_bytes: int
    file_seconds: float


class Files:
    """Those of a folder. Every method may raise `OSError`; after that, `drop` what was being written."""

    def __init__(
        self,
        folder: Path,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder, self._bounds, self._clock, self._now = folder, bounds, clock, now
        self._count = 0
        self._file: BinaryIO | None = None
        self._writer: Any = None
        self._path, self._began = folder, 0.0

    def write(self, rows: Sequence[tuple[Any, ...]], size: int) -> None:
        """Rows of so many bytes, as `SCHEMA` has them, into the file there is, or into a new one."""
        if self._file is not None and self._file.tell() + size > self._bounds.file_bytes:
            self.finish()
        if self._file is None:
            self._begin()
        self._writer.write_table(pa.table(list(map(list, zip(*rows, strict=True))), schema=SCHEMA))
        self.finish_if_due()

    def finish_if_due(self) -> None:
        """Complete a file that is full, or has been written to for long enough."""
        if self._file is not None and (
            self._file.tell() >= self._bounds.file_bytes or self._clock() - self._began >= self._bounds.file_seconds
        ):
            self.finish()

    def finish(self) -> None:
        """Complete the file being written, if there is one."""
        if self._file is None:
            return
        self._writer.close()
        self._file.flush()
        self._path.rename(self._path.with_name(self._path.name[1:].removesuffix(_UNFINISHED)))
        self._file.close()
        self._file = self._writer = None

    def drop(self) -> None:
        """Give up the file being written."""
        if self._file is not None:
            with contextlib.suppress(Exception):  # it would write the end of the file, which is what failed
                self._writer.close()
            with contextlib.suppress(OSError):
                self._path.unlink()
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = self._writer = None

    def sweep(self) -> None:
        """Make the folder where it is not there, and remove what writers left that are no more."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.glob(f".{_PREFIX}*{_UNFINISHED}"):
            with contextlib.suppress(OSError), path.open("rb") as left:
                fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    def _begin(self) -> None:
        self._make_room()
        self._count += 1
        name = f"{_PREFIX}{self._now():%Y%m%dT%H%M%S%fZ}-{os.getpid()}-{self._count}{_SUFFIX}"
        self._path = self._folder / f".{name}{_UNFINISHED}"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file, self._began = os.fdopen(descriptor, "wb"), self._clock()
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._writer = pq.ParquetWriter(self._file, SCHEMA, compression="zstd")

    def _make_room(self) -> None:
        """Remove the oldest files, so that there is room for a whole one more; their names are in order of time."""
        files = sorted(self._folder.glob(f"{_PREFIX}*{_SUFFIX}"))
        sizes = {path: _size(path) for path in files}
        total = sum(sizes.values())
        for path in files:
            if total + self._bounds.file_bytes <= self._bounds.max_bytes:
                break
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            total -= sizes[path]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another server of the same folder removed it
        return 0
