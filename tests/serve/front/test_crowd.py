"""Row E-3: who may be connected, and who gives way."""

import asyncio
import resource
from collections.abc import Iterator

import pytest

from serve.front.crowd import Crowd, places
from tests.serve.front.doorway import GENEROUS


class Guest:
    """A connection that does nothing."""

    def __init__(self, name: str) -> None:
        self.name, self.gave_way, self.looked = name, False, asyncio.Event()
        self.holds = 0

    def look(self, now: float) -> None:
        self.looked.set()

    def unread(self) -> int:
        return self.holds

    def give_way(self) -> None:
        self.gave_way = True

    def __repr__(self) -> str:
        return self.name


def crowd(**limits: int) -> tuple[Crowd, list[str]]:
    one, counted = Crowd(GENEROUS._replace(**limits)), list[str]()  # type: ignore[arg-type]
    one.count = counted.append
    return one, counted


async def test_a_newcomer_takes_the_place_of_whoever_waits_longest() -> None:
    full, counted = crowd(most=3)
    old, asking, young, new = map(Guest, ("old", "asking", "young", "new"))
    assert all(full.enter(one, "") for one in (old, asking, young))
    full.settle(asking)
    assert full.enter(new, "")
    assert [one for one in (old, asking, young, new) if one.gave_way] == [old]
    assert full.enter(Guest("newer"), "")
    assert [one for one in (old, asking, young, new) if one.gave_way] == [old, young]
    assert (len(full), counted) == (3, ["too_many_connections"] * 2)


async def test_where_all_have_asked_for_something_a_newcomer_is_turned_away() -> None:
    full, counted = crowd(most=2)
    guests = [Guest("one"), Guest("two")]
    for one in guests:
        full.enter(one, "")
        full.settle(one)
    assert not full.enter(Guest("new"), "")
    assert (len(full), counted) == (2, ["too_many_connections"])
    full.leave(guests[0])
    assert full.enter(Guest("new"), "")


async def test_an_address_may_have_only_so_many() -> None:
    full, counted = crowd(most=10, most_per_address=2)
    first = Guest("first")
    assert full.enter(first, "here")
    assert full.enter(Guest("second"), "here")
    assert not full.enter(Guest("third"), "here")
    assert full.enter(Guest("other"), "there")
    full.leave(first)
    full.leave(first)  # that it is gone may be told twice
    assert full.enter(Guest("fourth"), "here")
    assert not full.enter(Guest("fifth"), "here")
    assert counted == ["too_many_connections"] * 2


async def test_all_are_looked_at_again_and_again_and_nothing_goes_on_once_they_have_left() -> None:
    some, _ = crowd()
    guests = [Guest("one"), Guest("two")]
    for one in guests:
        some.enter(one, "")
    async with asyncio.timeout(10):
        for one in (*guests, *guests):
            await one.looked.wait()
            one.looked.clear()
    for one in guests:
        some.leave(one)
    assert len(some) == 0


async def test_answers_that_nobody_reads_take_so_much_memory_and_no_more() -> None:
    some, counted = crowd(unread_bytes=100)
    guests = [Guest(name) for name in ("reads again", "longest", "shorter", "shortest")]
    for one in guests:
        some.enter(one, "")
        one.holds = 60
        some.stop(one)
    some.go_on(guests[0])
    async with asyncio.timeout(10):
        await guests[-1].looked.wait()
        await asyncio.sleep(0)  # all of the turn
    assert [one for one in guests if one.gave_way] == guests[1:3]
    assert counted == ["read_too_slowly"] * 2


@pytest.fixture
def descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize(("soft", "most", "expected"), [(1024, 1000, 1000), (1024, 100, 100), (2000, 1000, 1000)])
def test_the_soft_limit_is_raised_as_far_as_connections_need(soft: int, most: int, expected: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert places(most) == expected
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= expected + 128


@pytest.mark.usefixtures("descriptors")
def test_more_connections_than_files_may_be_opened_are_not_promised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert places(10 * hard) < hard
    assert places(10 * hard) >= hard // 2
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= hard
    assert soft <= hard
