import asyncio
import contextlib
import gc
import weakref

import pytest

from serve.batch.reply import Reply
from serve.errors import NotReady


class Caller:
    pass


def test_it_is_settled_once_and_the_first_word_counts() -> None:
    one = Reply()
    with pytest.raises(asyncio.InvalidStateError):
        one.result()
    one.set_result(None)
    one.set_exception(NotReady("too late"))
    one.cancel()
    assert one.done()
    assert one.result() is None
    assert not one.cancelled()


def test_who_listens_hears_at_once_and_once() -> None:
    one, heard = Reply(), list[object]()
    one.listen(lambda: heard.append(one.result()))
    assert heard == []
    one.set_result(5)
    one.set_result(6)
    assert heard == [5]


def test_who_listens_to_what_is_settled_already_hears_too() -> None:
    one, heard = Reply(), list[bool]()
    one.cancel()
    one.listen(lambda: heard.append(one.cancelled()))
    assert heard == [True]


def test_there_is_one_listener() -> None:
    one = Reply()
    one.listen(lambda: None)
    with pytest.raises(asyncio.InvalidStateError):
        one.listen(lambda: None)


def test_a_listener_that_fails_does_not_fail_who_settles() -> None:
    one = Reply()
    one.listen(lambda: 1 / 0)
    one.set_result(5)
    assert one.result() == 5


def test_what_a_listener_holds_is_let_go_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        one, caller = Reply(), Caller()
        gone = weakref.ref(caller)
        one.listen(lambda held=(one, caller): None)  # type: ignore[misc]
        one.set_result(None)
        del one, caller
        assert gone() is None
    finally:
        gc.enable()


def test_an_error_holds_nothing_of_those_it_is_raised_to() -> None:
    shared = NotReady("no")
    replies = [Reply(), Reply()]
    for one in replies:
        one.set_exception(shared)
    gone = [_raised_to(one) for one in replies]
    assert [one() for one in gone] == [None, None]


def _raised_to(reply: Reply) -> "weakref.ref[Caller]":
    caller = Caller()
    with contextlib.suppress(NotReady):
        reply.result()
    return weakref.ref(caller)


async def test_it_can_be_awaited_before_and_after_it_is_settled() -> None:
    one, failed = Reply(), Reply()
    waiting = asyncio.ensure_future(one)
    refused = asyncio.ensure_future(failed)
    await asyncio.sleep(0)
    one.set_result(5)
    failed.set_exception(NotReady("no"))
    assert await waiting == await one == 5
    with pytest.raises(NotReady):
        await refused


async def test_who_stops_waiting_cancels_it() -> None:
    one = Reply()
    waiting = asyncio.ensure_future(one)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert one.cancelled()
