"""A worker that was just answered, or rather its callers: how long it waits for them to come back, and when not."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from serve.batch.batcher import Batcher, Entry
from serve.batch.costs import Costs
from serve.batch.policy import Policy
from serve.child.wire import Part, Value
from serve.errors import DeadlineExceeded, QueueFull
from tests.fakes import FakeClock, FakeTimeLoop

PATIENCE = 0.010  # what any batch costs here, in seconds, however few its rows


class Queue:
    """A batcher of at most 8 rows a batch and 20 in all, and a fake clock that its loop runs on."""

    def __init__(self, clock: FakeClock, fixed: float = PATIENCE, batchable: bool = True) -> None:
        costs = Costs()
        for rows in (1, 8):
            costs.observe(rows, fixed + rows * 1e-6)
        self.clock = clock
        self.batcher = Batcher("digits", Policy(8, batchable, costs=costs), max_waiting_rows=20, clock=clock)

    def comes(self, rows: int = 1, within: float = 10.0) -> Entry:
        value = Value("array", (Part(None, "|u1", (rows,), bytes(rows)),))
        one = Entry(value, {}, "a", self.clock() + within, self.clock(), value.rows)
        self.batcher.put(one)
        return one

    def comes_later(self, seconds: float, rows: int = 1) -> None:
        asyncio.get_running_loop().call_later(seconds, self.comes, rows)

    async def taken(self, answered: int) -> tuple[int, float]:
        """The rows of the next batch, and the seconds it was waited for."""
        began = self.clock()
        batch = await self.batcher.take(answered)
        return sum(one.rows for one in batch), self.clock() - began


Story = Callable[[Queue], Awaitable[None]]


def play(story: Story, fixed: float = PATIENCE, batchable: bool = True) -> None:
    clock = FakeClock()

    async def told() -> None:
        await story(Queue(clock, fixed, batchable))

    with asyncio.Runner(loop_factory=lambda: FakeTimeLoop(clock)) as runner:
        runner.run(told())


def test_callers_who_come_back_in_time_join_the_batch_which_then_goes_at_once() -> None:
    async def story(queue: Queue) -> None:
        queue.comes()
        queue.comes_later(0.002)
        queue.comes_later(0.004, rows=2)
        queue.comes_later(0.005)
        assert await queue.taken(answered=3) == (4, pytest.approx(0.004))

    play(story)


def test_the_wait_is_no_longer_than_what_a_batch_costs() -> None:
    async def story(queue: Queue) -> None:
        queue.comes()
        queue.comes_later(0.003)
        queue.comes_later(0.011)
        assert await queue.taken(answered=3) == (2, pytest.approx(PATIENCE))

    play(story)


@pytest.mark.parametrize(
    ("waiting", "answered"),
    [
        pytest.param(1, 0, id="nobody was answered"),
        pytest.param(8, 3, id="the batch is full"),
    ],
)
def test_a_batch_that_nobody_would_join_goes_at_once(waiting: int, answered: int) -> None:
    async def story(queue: Queue) -> None:
        queue.comes(waiting)
        assert await queue.taken(answered) == (waiting, 0.0)

    play(story)


@pytest.mark.parametrize(("fixed", "batchable"), [(0.0, True), (0.0004, True), (PATIENCE, False)])
def test_where_a_joined_batch_saves_nothing_nobody_is_waited_for(fixed: float, batchable: bool) -> None:
    async def story(queue: Queue) -> None:
        queue.comes()
        assert await queue.taken(answered=3) == (1, 0.0)

    play(story, fixed, batchable)


def test_who_came_back_while_the_queue_was_empty_is_not_waited_for_again() -> None:
    async def story(queue: Queue) -> None:
        queue.comes_later(0.5, rows=3)
        assert await queue.taken(answered=3) == (3, pytest.approx(0.5))
        queue.comes_later(0.5, rows=2)
        queue.comes_later(0.504)
        assert await queue.taken(answered=3) == (3, pytest.approx(0.504))

    play(story)


def test_the_wait_ends_when_the_batch_is_full_whoever_else_may_come_back() -> None:
    async def story(queue: Queue) -> None:
        queue.comes(5)
        queue.comes_later(0.001, rows=3)
        assert await queue.taken(answered=7) == (8, pytest.approx(0.001))

    play(story)


async def waits(queue: Queue, batches: int) -> list[bool]:
    """For each of so many batches whose callers never come back, whether they were waited for."""
    found = []
    for _ in range(batches):
        queue.comes()
        found.append((await queue.taken(answered=3))[1] > 0)
    return found


def test_after_a_wait_in_vain_the_next_come_ever_more_rarely_though_never_more_than_63_batches_apart() -> None:
    async def story(queue: Queue) -> None:
        found = await waits(queue, 300)
        at = [batch for batch, waited in enumerate(found) if waited]
        assert [after - before for before, after in itertools.pairwise(at)] == [2, 4, 8, 16, 32, 64, 64, 64]

    play(story)


@pytest.mark.parametrize(("back", "paid"), [(1, False), (2, True), (3, True)])
def test_a_wait_has_paid_where_half_of_those_waited_for_came(back: int, paid: bool) -> None:
    async def story(queue: Queue) -> None:
        queue.comes()
        queue.comes_later(0.001, rows=back)
        await queue.taken(answered=3)
        assert await waits(queue, 1) == [paid]

    play(story)


def test_a_wait_that_paid_makes_up_for_all_that_were_in_vain() -> None:
    async def story(queue: Queue) -> None:
        assert await waits(queue, 6) == [True, False, True, False, False, False]
        queue.comes()
        queue.comes_later(0.001, rows=3)
        assert (await queue.taken(answered=3))[0] == 4
        assert await waits(queue, 3) == [True, False, True]

    play(story)


def test_batches_that_would_not_wait_anyway_do_not_count_among_those_to_go_without() -> None:
    async def story(queue: Queue) -> None:
        assert await waits(queue, 1) == [True]
        for _ in range(3):
            queue.comes()
            assert await queue.taken(answered=0) == (1, 0.0)
        assert await waits(queue, 2) == [False, True]

    play(story)


def test_who_runs_late_while_others_are_waited_for_is_refused() -> None:
    async def story(queue: Queue) -> None:
        late = queue.comes(within=0.005)
        queue.comes_later(0.5)
        assert await queue.taken(answered=3) == (1, pytest.approx(0.5))
        with pytest.raises(DeadlineExceeded):
            late.reply.result()

    play(story)


def test_a_worker_for_whom_it_is_over_while_it_waits_takes_nothing() -> None:
    async def story(queue: Queue) -> None:
        over: list[bool] = []
        one = queue.comes()
        asyncio.get_running_loop().call_later(0.002, over.append, True)
        assert await queue.batcher.take(3, over=lambda: bool(over)) == []
        assert await queue.batcher.take() == [one]

    play(story)


def test_a_worker_is_woken_to_see_that_it_is_over_for_it_and_others_wait_on() -> None:
    async def story(queue: Queue) -> None:
        over: list[bool] = []
        dead = asyncio.ensure_future(queue.batcher.take(over=lambda: bool(over)))
        alive = asyncio.ensure_future(queue.batcher.take())
        await asyncio.sleep(0)
        over.append(True)
        queue.batcher.wake()
        assert await dead == []
        one = queue.comes()
        assert await alive == [one]

    play(story)


def test_a_worker_that_is_cancelled_while_it_waits_loses_no_entry() -> None:
    async def story(queue: Queue) -> None:
        one = queue.comes()
        take = asyncio.ensure_future(queue.batcher.take(3))
        await asyncio.sleep(0)
        take.cancel()
        with pytest.raises(asyncio.CancelledError):
            await take
        assert await queue.batcher.take() == [one]

    play(story)


def test_of_two_workers_that_wait_for_the_same_callers_one_gets_them_and_the_other_waits_on() -> None:
    async def story(queue: Queue) -> None:
        queue.comes()
        takes = [asyncio.ensure_future(queue.batcher.take(3)) for _ in range(2)]
        queue.comes_later(0.001, rows=3)
        done, waiting = await asyncio.wait(takes, return_when=asyncio.FIRST_COMPLETED)
        assert [sum(one.rows for one in take.result()) for take in done] == [4]
        last = queue.comes()
        assert [await take for take in waiting] == [[last]]

    play(story)


def test_there_is_room_until_as_many_rows_wait_as_the_queue_holds() -> None:
    async def story(queue: Queue) -> None:
        queue.batcher.require_room()
        queue.comes(19)
        queue.batcher.require_room()
        queue.comes(1)
        with pytest.raises(QueueFull, match="model 'digits' has 20 rows waiting"):
            queue.batcher.require_room()
        await queue.batcher.take()
        queue.batcher.require_room()

    play(story)
