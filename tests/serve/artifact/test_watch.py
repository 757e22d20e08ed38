import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.artifact.pin import FILENAME, Pin, PinnedModel, write
from serve.artifact.watch import look, pins
from serve.errors import PinUnreadable
from tests.fakes import FakeSleep, StoryOver

DIGEST = "sha256:" + "0" * 64
FIRST, SECOND = (Pin(digit * 32 + ".dir", 1, 1, (PinnedModel("digits", DIGEST),)) for digit in "12")


class Repo:
    """A work tree in which models.dvc comes and goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def holds(self, data: Pin | bytes) -> Callable[[], object]:
        written = data if isinstance(data, bytes) else write(data)
        return lambda: (self.folder / FILENAME).write_bytes(written)

    def loses(self) -> None:
        (self.folder / FILENAME).unlink()

    async def yields(self, *steps: Callable[[], object]) -> list[Pin | str]:
        """The pins, and why there are none, that come while between the looks these steps happen."""
        found: list[Pin | str] = []
        with contextlib.suppress(StoryOver):
            async for pin in pins(self.folder, 0.5, FakeSleep(steps)):
                found.append(pin.message if isinstance(pin, PinUnreadable) else pin)  # noqa: PERF401  # the story ends by an exception, and what came before counts
        return found


def nothing() -> None:
    """A look later, all is as it was."""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


async def test_a_pin_is_yielded_once_two_looks_agree(repo: Repo) -> None:
    repo.holds(FIRST)()
    assert await repo.yields(nothing, nothing, nothing) == [FIRST]


async def test_a_pin_seen_only_once_does_not_count(repo: Repo) -> None:
    repo.holds(FIRST)()
    assert await repo.yields(repo.holds(SECOND), repo.holds(FIRST), repo.holds(SECOND)) == []


async def test_a_pin_that_comes_later_is_yielded(repo: Repo) -> None:
    assert await repo.yields(repo.holds(FIRST), nothing, repo.holds(SECOND), nothing) == [FIRST, SECOND]


async def test_going_back_is_a_change_too(repo: Repo) -> None:
    repo.holds(FIRST)()
    story = (nothing, repo.holds(SECOND), nothing, repo.holds(FIRST), nothing)
    assert await repo.yields(*story) == [FIRST, SECOND, FIRST]


async def test_a_file_that_is_missing_or_empty_at_one_look_is_no_change(repo: Repo) -> None:
    repo.holds(FIRST)()
    story = (nothing, repo.loses, repo.holds(b""), repo.holds(FIRST), nothing)
    assert await repo.yields(*story) == [FIRST]


async def test_a_file_that_stays_away_is_told_once_until_it_is_back(repo: Repo) -> None:
    repo.holds(FIRST)()
    story = (nothing, repo.loses, nothing, nothing, repo.holds(b""), nothing, repo.holds(FIRST), nothing)
    told = ["there is no models.dvc in the repository", "models.dvc is empty"]
    assert await repo.yields(*story) == [FIRST, *told, FIRST]


async def test_a_folder_in_its_place_and_a_repository_that_is_gone_are_told(repo: Repo, tmp_path: Path) -> None:
    repo.folder = tmp_path / "repository"
    repo.folder.mkdir()
    place = repo.folder / FILENAME
    told = ["models.dvc can't be read: Is a directory", f"there is no folder {repo.folder} any more"]
    assert await repo.yields(place.mkdir, nothing, place.rmdir, repo.folder.rmdir, nothing) == told


async def test_the_same_pin_in_other_words_is_no_change(repo: Repo) -> None:
    repo.holds(FIRST)()
    assert await repo.yields(nothing, repo.holds(b"# hello\n" + write(FIRST)), nothing) == [FIRST]


async def test_a_broken_file_is_told_once_and_the_next_good_pin_counts(repo: Repo) -> None:
    repo.holds(FIRST)()
    story = (nothing, repo.holds(b"outs: ["), nothing, nothing, repo.holds(SECOND), nothing)
    first, told, second = await repo.yields(*story)
    assert (first, second) == (FIRST, SECOND)
    assert str(told).startswith("models.dvc is not YAML")


async def test_a_broken_file_mended_to_what_it_was_is_told(repo: Repo) -> None:
    repo.holds(FIRST)()
    marks = b"<<<<<<< HEAD\n" + write(FIRST) + b"=======\n" + write(SECOND) + b">>>>>>> theirs\n"
    told = "models.dvc has conflict marks: a merge in git is not finished"
    assert await repo.yields(nothing, repo.holds(marks), nothing, repo.holds(FIRST), nothing) == [FIRST, told, FIRST]


async def test_looks_are_an_interval_apart(repo: Repo) -> None:
    sleep = FakeSleep([nothing, nothing])
    with pytest.raises(StoryOver):
        _ = [found async for found in pins(repo.folder, 0.25, sleep)]
    assert sleep.slept == [0.25, 0.25, 0.25]


def test_where_there_is_no_file_a_look_finds_nothing(tmp_path: Path) -> None:
    assert look(tmp_path) == b""
    (tmp_path / FILENAME).mkdir()
    assert look(tmp_path) == b""


def test_a15_a_pipe_in_place_of_models_dvc_is_not_waited_for(tmp_path: Path) -> None:
    """A link may lead to one of the server's own: it would stand still, and take what was for another."""
    reading, writing = os.pipe()
    (tmp_path / FILENAME).symlink_to(f"/proc/self/fd/{reading}")
    assert look(tmp_path) == b""
    os.write(writing, b"for another")
    assert look(tmp_path) == b""
    assert os.read(reading, 60) == b"for another"
    os.close(reading)
    os.close(writing)


async def test_a15_while_a_pin_is_read_others_are_served(tmp_path: Path) -> None:
    """As many bytes as a pin may have, in the form that takes the longest: they would stop the server for a second."""
    (tmp_path / "models.dvc").write_bytes(b"a: [" + b"1," * 32_000 + b"]")
    turns, before = 0, list[int]()

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def sleep(_: float) -> None:
        before.append(turns)
        if len(before) == 2:
            raise StoryOver
        await asyncio.sleep(0)

    serving = asyncio.create_task(others())
    with pytest.raises(StoryOver):
        _ = [found async for found in pins(tmp_path, 1.0, sleep)]
    serving.cancel()
    assert before[1] - before[0] > 10
