"""Fetching leaves snapshots whole or absent, also when it is cancelled or not alone."""

import asyncio
import threading
from pathlib import Path

import pytest

from serve.artifact import dvc
from serve.artifact.fetch import _to_its_end, freeze
from tests.repositories import new_repository


async def test_the_event_loop_turns_while_what_a_failed_pull_left_is_removed(tmp_path: Path) -> None:
    repo, turns = new_repository(tmp_path / "repo"), 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    async with dvc.checkout(repo, tmp_path / "state") as checkout:
        (checkout.folder / "half").write_bytes(b"")
        before = turns
    assert (turns > before, list((tmp_path / "state" / "scratch").iterdir())) == (True, [])
    turning.cancel()


async def test_cancelled_work_in_a_thread_ends_before_its_folder_may_be_removed() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        ended.set()

    waiting = asyncio.create_task(_to_its_end(asyncio.to_thread(work)))
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


def test_a_frozen_folder_is_read_only_and_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "work" / "model").mkdir(parents=True)
    (tmp_path / "work" / "model" / "MLmodel").write_text("flavors: {}")
    freeze(tmp_path / "work", tmp_path / "snapshots" / "one")
    frozen = tmp_path / "snapshots" / "one"
    assert (frozen / "model" / "MLmodel").read_text() == "flavors: {}"
    assert [path.stat().st_mode & 0o222 for path in (frozen, *frozen.rglob("*"))] == [0, 0, 0]
    assert not (tmp_path / "work").exists()


def test_a_snapshot_that_another_server_froze_first_is_left_as_it_is(tmp_path: Path) -> None:
    for name in ("work", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "MLmodel").write_text(name)
    freeze(tmp_path / "other", tmp_path / "snapshots" / "one")
    freeze(tmp_path / "work", tmp_path / "snapshots" / "one")
    assert (tmp_path / "snapshots" / "one" / "MLmodel").read_text() == "other"
