"""Files of a recording: whole or not there, bounded, their owner's alone, and read by anyone's tools."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from serve.observe.files import SCHEMA, Bounds, Files
from tests.fakes import FakeClock

BOUNDS = Bounds(max_bytes=400_000, file_bytes=100_000, file_seconds=60.0)
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Days:
    """A later moment each time it is asked."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self) -> datetime:
        self._asked += 1
        return NOON + timedelta(seconds=self._asked)


def row(request: bytes = b'{"inputs": [1]}', answer: bytes = b"\xff\0", **values: Any) -> tuple[Any, ...]:
    whole = {"time": NOON, "request_id": "a", "path": "/predict", "status": 200, "seconds": 0.5, "rows": 1}
    whole |= {"model": "m", "digest": "d", "revision": "r", "run": "n", "content_type": None, "accept": None}
    whole |= {"json_bytes": None, "request": request, "answer_content_type": "application/json", "answer": answer}
    return tuple((whole | values)[name] for name in SCHEMA.names)


def noise(size: int) -> bytes:
    """What can't be compressed."""
    return os.urandom(size)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def files(tmp_path: Path, clock: FakeClock) -> Iterator[Files]:
    one = Files(tmp_path / "recordings", BOUNDS, clock, Days())
    one.sweep()
    yield one
    one.drop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if not path.name.startswith("."))


def test_rows_come_back_as_they_went_in(files: Files, folder: Path) -> None:
    files.write([row(), row(b"\x93NUMPY", status=422, rows=None, accept="application/x-npy")], 100)
    files.finish()
    found = pd.read_parquet(folder)
    assert found["request"].tolist() == [b'{"inputs": [1]}', b"\x93NUMPY"]
    assert found["answer"].tolist() == [b"\xff\0", b"\xff\0"]
    assert found["status"].tolist() == [200, 422]
    assert found["time"].tolist() == [pd.Timestamp(NOON)] * 2
    assert (found["accept"].isna()[0], found["accept"][1]) == (True, "application/x-npy")


def test_a_file_has_its_name_only_once_it_is_whole(files: Files, folder: Path, clock: FakeClock) -> None:
    files.write([row()], 100)
    assert names(folder) == []
    clock.advance(59.0)
    files.finish_if_due()
    assert names(folder) == []
    clock.advance(1.0)
    files.finish_if_due()
    (name,) = names(folder)
    assert pq.read_table(folder / name).num_rows == 1
    assert list(folder.glob(".*")) == []


def test_files_and_their_folder_are_their_owners_alone(files: Files, folder: Path) -> None:
    files.write([row()], 100)
    (part,) = folder.glob(".*.part")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    files.finish()
    assert stat.S_IMODE((folder / names(folder)[0]).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_all_files_together_stay_within_their_bound_and_the_oldest_goes_first(files: Files, folder: Path) -> None:
    largest, first = 0, ""
    for at in range(100):
        files.write([row(noise(15_000), request_id=str(at))], 15_500)
        first = first or (names(folder) or [""])[0]
        largest = max(largest, sum(path.stat().st_size for path in folder.iterdir()))
    files.finish()
    assert 200_000 < largest <= BOUNDS.max_bytes
    assert all((folder / name).stat().st_size <= BOUNDS.file_bytes + 10_000 for name in names(folder))
    assert first not in names(folder)
    kept = [int(one) for one in pd.read_parquet(folder)["request_id"]]
    assert sorted(kept) == list(range(min(kept), 100)), "of what is kept, none is missing between"


def test_other_files_in_the_folder_are_left_alone(files: Files, folder: Path) -> None:
    (folder / "mine.parquet").write_bytes(noise(500_000))
    for _ in range(50):
        files.write([row(noise(15_000))], 15_500)
    assert (folder / "mine.parquet").exists()


def test_what_a_killed_writer_left_is_removed_and_what_another_is_at_stays(files: Files, folder: Path) -> None:
    files.write([row()], 100)
    (live,) = folder.glob(".*.part")
    killed = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.serve.observe.test_files import Bounds, Files, row
one = Files(Path(sys.argv[1]), Bounds(10**6, 10**5, 60.0))
one.write([row()], 100)
os.kill(os.getpid(), 9)
"""
    root = str(Path(__file__).parents[3])
    subprocess.run([sys.executable, "-c", killed, str(folder), root], check=False, cwd=root)
    assert len(list(folder.glob(".*.part"))) == 2
    Files(folder, BOUNDS).sweep()
    assert list(folder.glob(".*.part")) == [live]
    files.finish()
    assert pd.read_parquet(folder)["request_id"].tolist() == ["a"]


def test_a_file_that_is_given_up_leaves_nothing(files: Files, folder: Path) -> None:
    files.write([row()], 100)
    files.drop()
    assert list(folder.iterdir()) == []
    files.write([row()], 100)
    files.finish()
    assert len(names(folder)) == 1
