import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serve.batch.batcher import Batcher, Entry, StreamEntry
from serve.batch.policy import Policy
from serve.batch.reply import Reply
from serve.child.wire import JSON, Part, Value
from serve.errors import DeadlineExceeded, NotReady, QueueFull, ServeError, WaitTooLong
from tests.fakes import FakeClock

ANSWER = Value("json", (Part(None, JSON, (), b"null"),))


def entry(
    clock: FakeClock,
    rows: int = 1,
    group: str = "a",
    within: float = 10.0,
) -> Entry:
    value = Value("array", (Part(None, "|u1", (rows,), bytes(rows)),))
    return Entry(value, {}, group, clock() + within, clock(), value.rows)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def batcher(clock: FakeClock) -> Batcher:
    return Batcher("digits", Policy(max_rows=8), max_waiting_rows=10, clock=clock)


async def test_entries_are_taken_together_in_the_order_they_came(batcher: Batcher, clock: FakeClock) -> None:
    entries = [entry(clock) for _ in range(3)]
    for one in entries:
        batcher.put(one)
    assert await batcher.take() == entries
    assert batcher.rows == 0


async def test_take_waits_until_an_entry_comes(batcher: Batcher, clock: FakeClock) -> None:
    take = asyncio.ensure_future(batcher.take())
    await asyncio.sleep(0)
    assert not take.done()
    one = entry(clock)
    batcher.put(one)
    assert await take == [one]


async def test_of_two_waiting_workers_each_gets_a_batch_of_its_own(batcher: Batcher, clock: FakeClock) -> None:
    takes = [asyncio.ensure_future(batcher.take()) for _ in range(2)]
    await asyncio.sleep(0)
    first, second = entry(clock, group="a"), entry(clock, group="b")
    batcher.put(first)
    batcher.put(second)
    assert await asyncio.gather(*takes) == [[first], [second]]


async def test_a_worker_that_woke_for_nothing_waits_again(batcher: Batcher, clock: FakeClock) -> None:
    takes = [asyncio.ensure_future(batcher.take()) for _ in range(2)]
    await asyncio.sleep(0)
    first, second = entry(clock), entry(clock)
    batcher.put(first)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    batcher.put(second)
    assert await asyncio.gather(*takes) == [[first], [second]]


async def test_a_cancelled_take_loses_no_entry(batcher: Batcher, clock: FakeClock) -> None:
    take = asyncio.ensure_future(batcher.take())
    await asyncio.sleep(0)
    one = entry(clock)
    batcher.put(one)
    take.cancel()
    with pytest.raises(asyncio.CancelledError):
        await take
    assert await batcher.take() == [one]


async def test_an_entry_whose_caller_left_never_reaches_a_worker(batcher: Batcher, clock: FakeClock) -> None:
    gone, here = entry(clock), entry(clock)
    batcher.put(gone)
    batcher.put(here)
    gone.reply.cancel()
    assert await batcher.take() == [here]


async def test_a_late_entry_is_refused_and_never_reaches_a_worker(batcher: Batcher, clock: FakeClock) -> None:
    late, here = entry(clock, within=1.0), entry(clock, within=9.0)
    batcher.put(late)
    batcher.put(here)
    clock.advance(1.0)
    assert await batcher.take() == [here]
    with pytest.raises(DeadlineExceeded, match="model 'digits' did not answer within 1 seconds"):
        late.reply.result()


async def test_when_every_entry_of_a_batch_is_gone_take_goes_on_to_the_next(batcher: Batcher, clock: FakeClock) -> None:
    gone, here = entry(clock, group="a"), entry(clock, group="b")
    batcher.put(gone)
    batcher.put(here)
    gone.reply.cancel()
    assert await batcher.take() == [here]


async def test_a_full_queue_refuses_and_keeps_what_it_has(batcher: Batcher, clock: FakeClock) -> None:
    one = entry(clock, rows=10)
    batcher.put(one)
    with pytest.raises(QueueFull, match="model 'digits' has 10 rows waiting, as many as its queue holds"):
        batcher.put(entry(clock))
    assert batcher.rows == 10
    assert await batcher.take() == [one]


async def test_a_request_larger_than_the_queue_is_let_into_an_empty_one(batcher: Batcher, clock: FakeClock) -> None:
    large = entry(clock, rows=50)
    batcher.put(large)
    assert await batcher.take() == [large]


async def test_a_full_queue_tells_for_how_long_it_is_busy(clock: FakeClock) -> None:
    policy = Policy(max_rows=8)
    policy.costs.observe(1, 0.5)
    batcher = Batcher("digits", policy, max_waiting_rows=10, clock=clock, workers=2)
    batcher.put(entry(clock, rows=10))
    with pytest.raises(QueueFull) as found:
        batcher.put(entry(clock))
    assert found.value.again_seconds == pytest.approx(2.5)


def slow(clock: FakeClock, max_waiting_seconds: float = float("inf"), workers: int = 1) -> Batcher:
    """A queue of a model that takes a second a row."""
    policy = Policy(max_rows=1)
    policy.costs.observe(1, 1.0)
    return Batcher("digits", policy, 1000, clock, max_waiting_seconds, workers)


async def test_who_would_wait_longer_than_the_queue_allows_is_refused_at_once(clock: FakeClock) -> None:
    batcher = slow(clock, max_waiting_seconds=2.5, workers=2)
    for _ in range(5):
        batcher.require_room()
        batcher.put(entry(clock))
    batcher.put(entry(clock))
    told = r"model 'digits' is busy for about 3 seconds, and this request may wait 2\.5: try again later"
    with pytest.raises(WaitTooLong, match=told) as found:
        batcher.require_room(1000.0)
    assert found.value.again_seconds == pytest.approx(3.0)


async def test_who_could_not_be_answered_in_time_is_refused_at_once(clock: FakeClock) -> None:
    batcher = slow(clock)
    for _ in range(4):
        batcher.put(entry(clock))
    batcher.require_room(6.0)
    with pytest.raises(WaitTooLong, match=r"is busy for about 4 seconds, and this request may wait 3\.8"):
        batcher.require_room(5.0)


async def test_nobody_waits_in_an_empty_queue_however_slow_the_model_is(clock: FakeClock) -> None:
    slow(clock, max_waiting_seconds=0.001).require_room(0.001)


async def test_where_rows_leave_faster_than_was_known_more_may_wait(clock: FakeClock) -> None:
    batcher = slow(clock, max_waiting_seconds=2.5)
    for _ in range(50):
        batcher.put(entry(clock))
    with pytest.raises(WaitTooLong):
        batcher.require_room()
    for _ in range(30):
        await batcher.take()
        clock.advance(0.1)
    assert batcher.rows == 20
    batcher.require_room()


async def test_what_no_worker_was_given_is_counted_by_why(clock: FakeClock) -> None:
    dropped: list[tuple[int, str]] = []
    batcher = Batcher("digits", Policy(max_rows=8), 100, clock, dropped=lambda rows, why: dropped.append((rows, why)))
    gone, late, refused, here = entry(clock, 2), entry(clock, 3, within=1.0), entry(clock, 1, within=1.0), entry(clock)
    for one in (gone, late, refused, here):
        batcher.put(one)
    gone.reply.cancel()
    clock.advance(1.0)
    refused.refuse(DeadlineExceeded("digits", 1.0))
    assert await batcher.take() == [here]
    assert dropped == [(2, "cancelled"), (3, "deadline"), (1, "deadline")]


async def test_entries_of_a_dead_worker_come_first_in_their_order_even_into_a_full_queue(
    batcher: Batcher, clock: FakeClock
) -> None:
    waiting, first, second = entry(clock, rows=10), entry(clock), entry(clock)
    batcher.put(waiting)
    batcher.put_back([first, second])
    assert batcher.rows == 12
    assert [await batcher.take() for _ in range(3)] == [[first], [second], [waiting]]


async def test_how_long_a_dead_worker_held_up_the_queue_refuses_nobody_afterwards(clock: FakeClock) -> None:
    batcher = Batcher("digits", Policy(max_rows=1), max_waiting_rows=1000, clock=clock)
    for _ in range(100):
        batcher.put(entry(clock))
    for _ in range(2):  # it ends two workers, and others wait behind it
        (killer,) = await batcher.take()
        clock.advance(3.0)
        batcher.put_back([killer])
    await batcher.take()
    batcher.require_room(10.0)


async def test_entries_put_back_wake_a_waiting_worker(batcher: Batcher, clock: FakeClock) -> None:
    take = asyncio.ensure_future(batcher.take())
    await asyncio.sleep(0)
    one = entry(clock)
    batcher.put_back([one])
    assert await take == [one]


async def test_refusing_all_answers_everyone_who_waits_and_empties_the_queue(
    batcher: Batcher, clock: FakeClock
) -> None:
    entries = [entry(clock) for _ in range(3)]
    for one in entries:
        batcher.put(one)
    batcher.refuse_all(NotReady("stopped"))
    assert batcher.rows == 0
    for one in entries:
        with pytest.raises(NotReady, match="stopped"):
            one.reply.result()


async def test_the_first_word_on_an_entry_is_the_last(clock: FakeClock) -> None:
    one = entry(clock)
    one.resolve(ANSWER)
    one.refuse(NotReady("too late"))
    one.resolve(Value("json", ()))
    assert one.reply.result() == ANSWER


def stream_entry(clock: FakeClock) -> StreamEntry:
    value = Value("array", (Part(None, "|u1", (1,), b"0"),))
    return StreamEntry(value, {}, object(), clock() + 10.0, clock(), value.rows)


async def test_the_reply_to_a_stream_is_its_chunks_with_the_first_of_them(clock: FakeClock) -> None:
    one = stream_entry(clock)
    one.bring(ANSWER)
    assert one.reply.result() is one.chunks
    assert await anext(one.chunks) == ANSWER
    one.bring(ANSWER)
    one.end()
    assert [chunk async for chunk in one.chunks] == [ANSWER]


async def test_a_stream_without_any_chunk_is_replied_to_by_its_end(clock: FakeClock) -> None:
    one = stream_entry(clock)
    one.end()
    assert [chunk async for chunk in one.reply.result()] == []


async def test_a_stream_is_refused_before_its_first_chunk_and_ended_after_it(clock: FakeClock) -> None:
    before, after = stream_entry(clock), stream_entry(clock)
    after.bring(ANSWER)
    for one in (before, after):
        one.refuse(NotReady("stopped"))
    with pytest.raises(NotReady):
        before.reply.result()
    assert await anext(after.chunks) == ANSWER
    with pytest.raises(NotReady):
        await anext(after.chunks)


async def test_a_stream_whose_caller_left_before_its_first_chunk_is_told_nothing(clock: FakeClock) -> None:
    one = stream_entry(clock)
    one.reply.cancel()
    one.chunks.close()
    one.bring(ANSWER)
    one.refuse(NotReady("stopped"))
    assert one.reply.cancelled()
    assert one.chunks.over.result() == "cancelled"


async def test_a_stream_shares_a_batch_with_nobody(batcher: Batcher, clock: FakeClock) -> None:
    streams = [stream_entry(clock), stream_entry(clock)]
    for one in streams:
        batcher.put(one)
    assert [await batcher.take() for _ in streams] == [[one] for one in streams]


class Queue(RuleBasedStateMachine):
    """Callers come, leave and run late; workers take, answer and die; every entry must leave exactly once."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.batcher = Batcher("m", Policy(max_rows=6), max_waiting_rows=12, clock=self.clock)
        self.waiting: list[Entry] = []
        self.held: list[list[Entry]] = []
        self.outcomes: dict[int, list[str]] = {}
        self.all: list[Entry] = []

    @rule(rows=st.integers(1, 20), group=st.sampled_from("ab"), within=st.floats(0.5, 5.0))
    def arrives(self, rows: int, group: str, within: float) -> None:
        one = entry(self.clock, rows, group, within)
        before = sum(other.rows for other in self.waiting)
        try:
            self.batcher.put(one)
        except QueueFull:
            assert before
            assert before + rows > 12
            return
        self.waiting.append(one)
        self.all.append(one)
        heard: list[str] = []
        self.outcomes[id(one)] = heard
        one.reply.listen(lambda: heard.append(outcome(one.reply)))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.waiting)).reply.cancel()

    @rule(seconds=st.floats(0.1, 3.0))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.waiting)
    @rule()
    def a_worker_takes(self) -> None:
        task = self.loop.create_task(self.batcher.take())
        self.run()
        if not task.done():
            assert all(one.reply.done() for one in self.waiting)
            task.cancel()
            self.run()
            self.waiting = []
            return
        batch = task.result()
        assert batch
        assert all(not one.reply.done() and one.deadline > self.clock() for one in batch)
        assert len({one.group for one in batch}) == 1
        assert len(batch) == 1 or sum(one.rows for one in batch) <= 6
        self.waiting = self.waiting[self.waiting.index(batch[-1]) + 1 :]
        self.held.append(batch)

    @precondition(lambda self: self.held)
    @rule(fails=st.booleans())
    def a_worker_answers(self, fails: bool) -> None:
        for one in self.held.pop():
            one.refuse(NotReady("no")) if fails else one.resolve(ANSWER)

    @precondition(lambda self: self.held)
    @rule()
    def a_worker_dies(self) -> None:
        batch = self.held.pop()
        self.batcher.put_back(batch)
        self.waiting = batch + self.waiting

    @rule()
    def everything_is_refused(self) -> None:
        self.batcher.refuse_all(NotReady("stopped"))
        self.waiting = []

    @invariant()
    def rows_are_those_of_the_entries_that_wait(self) -> None:
        assert list(self.batcher._waiting) == self.waiting
        assert self.batcher.rows == sum(one.rows for one in self.waiting)

    @invariant()
    def no_entry_is_forgotten(self) -> None:
        known = {id(one) for batch in [self.waiting, *self.held] for one in batch}
        assert all(one.reply.done() or id(one) in known for one in self.all)

    def teardown(self) -> None:
        for batch in self.held:
            for one in batch:
                one.resolve(ANSWER)
        self.batcher.refuse_all(NotReady("stopped"))
        self.run()
        assert self.batcher.rows == 0
        for one in self.all:
            assert len(self.outcomes[id(one)]) == 1
        self.loop.close()

    def run(self) -> None:
        for _ in range(3):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()


def outcome(reply: Reply) -> str:
    try:
        reply.result()
    except asyncio.CancelledError:
        return "dropped"
    except ServeError:
        return "error"
    return "result"


class TestQueue(Queue.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(deadline=None, max_examples=200, stateful_step_count=30)
