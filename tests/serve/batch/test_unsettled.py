import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from serve.batch.batcher import Entry
from serve.batch.unsettled import Unsettled
from serve.child.wire import JSON, Part, Value
from serve.errors import DeadlineExceeded, NotReady, ServeError

VALUE = Value("json", (Part(None, JSON, (), b"1"),))


def entry(within: float) -> Entry:
    now = time.monotonic()
    return Entry(VALUE, {}, "a", now + within, now, VALUE.rows)


@pytest.fixture
async def unsettled() -> AsyncIterator[Unsettled]:
    one = Unsettled("digits")
    yield one
    one.close()


async def test_those_taken_are_counted_until_they_are_settled_and_told_in_their_order(unsettled: Unsettled) -> None:
    first, second = entry(60), entry(60)
    unsettled.add(second)
    unsettled.add(first)
    assert (len(unsettled), list(unsettled)) == (2, [second, first])
    unsettled.discard(second)
    unsettled.discard(second)
    assert (len(unsettled), list(unsettled)) == (1, [first])


async def test_an_entry_is_refused_at_its_deadline_and_not_before(unsettled: Unsettled) -> None:
    one = entry(0.03)
    unsettled.add(one)
    with pytest.raises(DeadlineExceeded, match=r"model 'digits' did not answer within 0\.03 seconds"):
        await one.reply
    assert time.monotonic() >= one.deadline


async def test_an_entry_that_is_late_already_is_refused_too(unsettled: Unsettled) -> None:
    one = entry(-1.0)
    unsettled.add(one)
    assert isinstance(await outcome(one), DeadlineExceeded)


async def test_a_refused_entry_is_unsettled_until_its_asker_says_otherwise(unsettled: Unsettled) -> None:
    one = entry(0.0)
    unsettled.add(one)
    await outcome(one)
    assert list(unsettled) == [one]


@pytest.mark.parametrize("later", [60.0, 0.02])
async def test_whichever_comes_first_each_entry_has_its_own_deadline(unsettled: Unsettled, later: float) -> None:
    last, first, alike = entry(later), entry(0.0), entry(0.0)
    for one in (last, first, alike):
        unsettled.add(one)
    assert [type(found) for found in await asyncio.gather(outcome(first), outcome(alike))] == [DeadlineExceeded] * 2
    assert later < 1 or not last.reply.done()
    if later < 1:
        assert isinstance(await outcome(last), DeadlineExceeded)
        assert time.monotonic() >= last.deadline


async def test_entries_that_come_after_all_others_were_refused_have_their_deadline_too(unsettled: Unsettled) -> None:
    for _ in range(2):
        one = entry(0.0)
        unsettled.add(one)
        assert isinstance(await outcome(one), DeadlineExceeded)
        unsettled.discard(one)


async def test_an_answer_before_the_deadline_is_the_last_word(unsettled: Unsettled) -> None:
    answered, left, late = entry(0.0), entry(0.0), entry(0.0)
    for one in (answered, left, late):
        unsettled.add(one)
    answered.resolve(VALUE)
    left.reply.cancel()
    await outcome(late)
    assert answered.reply.result() == VALUE
    assert left.reply.cancelled()


async def test_one_that_is_settled_is_not_refused(unsettled: Unsettled) -> None:
    settled, late = entry(0.0), entry(0.0)
    for one in (settled, late):
        unsettled.add(one)
    unsettled.discard(settled)
    await outcome(late)
    assert not settled.reply.done()


async def test_whoever_drains_waits_until_there_are_none(unsettled: Unsettled) -> None:
    await unsettled.emptied()
    first, second = entry(60), entry(60)
    unsettled.add(first)
    drained = asyncio.ensure_future(unsettled.emptied())
    await asyncio.sleep(0)
    unsettled.discard(first)
    unsettled.add(second)  # before whoever drains looks again
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not drained.done()
    unsettled.discard(second)
    await drained


async def test_once_closed_nobody_is_refused_any_more(unsettled: Unsettled) -> None:
    other = Unsettled("other")
    one, late = entry(0.0), entry(0.0)
    unsettled.add(one)
    unsettled.close()
    unsettled.close()
    other.add(late)
    await outcome(late)
    assert not one.reply.done()
    one.refuse(NotReady("stopped"))
    with pytest.raises(NotReady):
        one.reply.result()


async def test_one_that_was_never_used_closes() -> None:
    Unsettled("digits").close()


async def outcome(one: Entry) -> ServeError:
    """What its reply is refused with."""
    with pytest.raises(ServeError) as refusal:
        await one.reply
    return refusal.value
