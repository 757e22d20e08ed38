import asyncio

import pytest

from serve.shutdown import Shutdown
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def shutdown(clock: FakeClock) -> Shutdown:
    return Shutdown(5.0, 30.0, clock)


def test_before_it_has_begun_nothing_is_due(shutdown: Shutdown, clock: FakeClock) -> None:
    clock.advance(1000.0)
    assert (shutdown.begun, shutdown.due, shutdown.left) == (False, False, 30.0)


def test_it_is_due_once_its_delay_is_over(shutdown: Shutdown, clock: FakeClock) -> None:
    shutdown.begin()
    assert (shutdown.begun, shutdown.due) == (True, False)
    clock.advance(5.0)
    assert shutdown.due
    assert not shutdown.closed.is_set()


def test_what_was_taken_has_its_time_from_when_nobody_is_let_in(shutdown: Shutdown, clock: FakeClock) -> None:
    shutdown.begin()
    clock.advance(20.0)
    assert shutdown.left == 30.0
    shutdown.close()
    clock.advance(10.0)
    assert shutdown.left == 20.0
    shutdown.close()  # again, which gives no more
    assert shutdown.left == 20.0
    clock.advance(100.0)
    assert shutdown.left == 0.0


async def test_who_waits_for_it_to_close_is_told(shutdown: Shutdown) -> None:
    waiting = asyncio.ensure_future(shutdown.closed.wait())
    shutdown.close()
    assert await waiting
    assert shutdown.begun
