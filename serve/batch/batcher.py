"""A bounded queue of entries for one model; `take()` gives the next batch to whichever worker asks.

Bounded by rows, and by how long who comes now would wait: who would wait too long is refused at once. Owned by the
event loop: every method runs on it, and none blocks it. An entry leaves by exactly one of result, error, or dropped
(its caller is gone); one that is late or gone is dropped here and never reaches the model.
"""

import asyncio
import collections
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serve.batch.chunks import Chunks
from serve.batch.pace import Pace
from serve.batch.policy import Policy
from serve.batch.reply import Reply
from serve.child.wire import Value
from serve.errors import DeadlineExceeded, QueueFull, ServeError, WaitTooLong
from serve.journey import Journey

_MOST_IN_VAIN = 6
_EVER = float("inf")
_WAITING = 0.75  # of a request's time may pass before a worker has it: the rest is the model's


def _uncounted(rows: int, reason: str) -> None:
    """Where nobody counts what is dropped."""


@dataclass(slots=True, eq=False)
class Entry:
    """A request of so many `rows` waiting for its answer, and the slot the answer goes into.

    `deadline` and `arrived` are readings of the batcher's clock, in seconds. `attempts` counts the workers that
    died with it; where another could as well, `most_attempts` is less than two. `alone`, it shares no batch.
    `journey` is its caller's request, where it has one.
    """

    value: Value
    params: Mapping[str, Any]
    group: Hashable
    deadline: float
    arrived: float
    rows: int
    attempts: int = 0
    most_attempts: int = 2
    alone: bool = False
    journey: Journey | None = None
    reply: Reply = field(default_factory=Reply)

    @property
    def patience(self) -> float:
        """How many seconds an answer may take; where it comes in chunks, each of them."""
        return self.deadline - self.arrived

    def resolve(self, value: Value) -> None:
        self.reply.set_result(value)

    def refuse(self, error: ServeError) -> None:
        self.reply.set_exception(error)


@dataclass(slots=True, eq=False)
class StreamEntry(Entry):
    """A request to be answered in chunks. Its reply is `chunks`, as soon as there is a first one, or the end."""

    chunks: Chunks = field(default_factory=Chunks)

    def bring(self, chunk: Value) -> None:
        self.chunks.bring(chunk)
        self._answer()

    def end(self) -> None:
        self.chunks.end()
        self._answer()

    def refuse(self, error: ServeError) -> None:
        Entry.refuse(self, error)  # a class with slots has no super() of its own
        self.chunks.end(error)

    def _answer(self) -> None:
        self.reply.set_result(self.chunks)


class Bell:
    """Wakes all who wait for it at that moment. Cheaper than an `asyncio.Event`, which asks for its loop each time."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleepers: list[asyncio.Future[None]] = []

    async def rung(self) -> None:
        """Wait for the next ring."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = self._loop.create_future()
        self._sleepers.append(sleeper)
        await sleeper

    def ring(self) -> None:
        if not self._sleepers:
            return
        sleepers, self._sleepers = self._sleepers, []
        for one in sleepers:
            if not one.done():  # as it is where it was cancelled
                one.set_result(None)


class Batcher:
    """The queue of model `name`, which so many `workers` empty.

    At most `max_waiting_rows` rows wait, for at most `max_waiting_seconds`; more are refused with `QueueFull`. Rows
    that no worker was given are `dropped`, "cancelled" or past their "deadline".
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        max_waiting_rows: int,
        clock: Callable[[], float] = time.monotonic,
        max_waiting_seconds: float = _EVER,
        workers: int = 1,
        dropped: Callable[[int, str], None] = _uncounted,
    ) -> None:
        self.name = name
        self.rows = 0
        self._policy = policy
        self._max_waiting_rows, self._max_waiting_seconds = max_waiting_rows, max_waiting_seconds
        self._clock, self._dropped = clock, dropped
        self._pace = Pace(lambda: policy.costs.each() / workers)
        self._waiting: collections.deque[Entry] = collections.deque()
        self._bell = Bell()
        self._came = 0  # rows, ever
        self._in_vain = 0  # times in a row that few came whom we waited for,
        self._unwise = 0  # and how many batches to go without waiting therefore

    def put(self, entry: Entry) -> None:
        """Queue an entry, or raise `QueueFull`. A single request larger than the queue is let into an empty one."""
        if self.rows and self.rows + entry.rows > self._max_waiting_rows:
            raise QueueFull(self.name, self._max_waiting_rows, self.wait())
        self._waiting.append(entry)
        self.rows += entry.rows
        self._came += entry.rows
        self._bell.ring()

    def require_room(self, patience: float = _EVER) -> None:
        """`QueueFull` where not one row more may wait, or for too long; its answer has `patience` seconds to come."""
        if not self.rows:
            return
        wait, allowed = self.wait(), min(_WAITING * patience, self._max_waiting_seconds)
        if self.rows >= self._max_waiting_rows:
            raise QueueFull(self.name, self._max_waiting_rows, wait)
        if wait > allowed:
            raise WaitTooLong(self.name, wait, allowed)

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Return entries whose worker died or was stuck to the front, in order, each alone now; never refused."""
        for entry in reversed(entries):
            entry.alone = True
            self._waiting.appendleft(entry)
            self.rows += entry.rows
        self._pace.interrupt()
        self._bell.ring()

    async def take(self, answered: int = 0, over: Callable[[], bool] = lambda: False) -> list[Entry]:
        """The next batch, of at least one entry; none where, on waking, `over()`.

        `answered`: the rows of this worker's last batch, whose callers may come back. Cancelling loses nothing:
        entries leave without a pause.
        """
        came = self._came
        while not over():
            if not self._waiting:
                await self._bell.rung()
            elif await self._gathered(answered - (self._came - came)):
                answered = 0  # once is enough
            else:
                batch = [self._pop() for _ in range(self._policy.count(self._waiting))]
                now = self._clock()
                self._pace.left(sum([entry.rows for entry in batch]), now, others_wait=bool(self._waiting))
                wanted = [entry for entry in batch if self._still_wanted(entry, now)]
                if wanted:
                    return wanted
        return []

    async def _gathered(self, returning: int) -> bool:
        """Whether callers who may come back were waited for; not where that does not pay, or has not of late."""
        had, wanted, seconds = self.rows, self._policy.wanted(self.rows, returning), self._policy.patience()
        if wanted <= had or not seconds:
            return False
        if self._unwise:
            self._unwise -= 1
            return False
        try:
            async with asyncio.timeout(seconds):
                while self.rows < wanted:
                    await self._bell.rung()
        except TimeoutError:
            pass
        paid = 2 * (self.rows - had) >= wanted - had
        self._in_vain = 0 if paid else min(self._in_vain + 1, _MOST_IN_VAIN)
        self._unwise = 2**self._in_vain - 1
        return True

    def wake(self) -> None:
        """Let whoever waits for a batch see whether it is over for them."""
        self._bell.ring()

    def refuse_all(self, error: ServeError) -> None:
        """Answer everything that waits with `error`."""
        while self._waiting:
            self._pop().refuse(error)
        self._pace.rest()

    def _pop(self) -> Entry:
        entry = self._waiting.popleft()
        self.rows -= entry.rows
        return entry

    def wait(self) -> float:
        """Seconds that who comes now would wait."""
        return self._pace.wait(self.rows, self._clock())

    def _still_wanted(self, entry: Entry, now: float) -> bool:
        """False, and dropped or refused, where the caller left or the deadline passed."""
        if entry.deadline <= now:
            entry.refuse(DeadlineExceeded(self.name, entry.patience))
        if not entry.reply.done():
            return True
        self._dropped(entry.rows, "cancelled" if entry.reply.cancelled() else "deadline")
        return False
