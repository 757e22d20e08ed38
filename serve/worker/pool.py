"""The workers of one model: each pulls a batch when idle, predicts it, settles its entries. Restarts, drains.

A pool owns its batcher and its processes. It is STARTING until the first worker is warm, READY while it takes
requests, DRAINING while what it took is finished, then STOPPED. A worker that dies is replaced, waiting longer
each time it dies without having answered; the entries it held go back to the front of the queue once, alone,
and are refused the second time. A stream has a worker of its own until it ends, and is never begun twice.
"""

import asyncio
import contextlib
import enum
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from serve.batch.batcher import Batcher, Entry, StreamEntry
from serve.batch.chunks import Chunks
from serve.batch.policy import Policy
from serve.batch.unsettled import Unsettled
from serve.child import wire
from serve.errors import DeadlineExceeded, NotReady, RolloutFailed, WorkerDied
from serve.metrics import Metrics
from serve.signature.binding import Bound
from serve.worker import faults
from serve.worker.process import Command, Died, Process, State
from serve.worker.stream import answer

log = structlog.get_logger()

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 30.0
_MAX_ATTEMPTS = 2
_WARM_SECONDS, _WARM_TIMES = 3.0, 8


class PoolState(enum.StrEnum):
    """Where a pool is in its life; it only goes down this list."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many workers, how large a batch (rows, seconds) and a queue (rows), how long a load may take (seconds).

    Workers take `devices` in turn; where there are none, MLflow chooses.
    """

    workers: int
    max_batch_rows: int
    max_waiting_rows: int
    load_timeout_seconds: float
    max_batch_seconds: float | None = None
    devices: tuple[str, ...] = ()


class Pool:
    """Workers for one model, started with `spawn`."""

    def __init__(
        self,
        command: Command,
        limits: PoolLimits,
        metrics: Metrics,
        batchable: bool,
        spawn: Callable[[Command], Process] = Process,
    ) -> None:
        self.name = command.name
        self.state = PoolState.STARTING
        self.streams = False  # whether the model can answer in chunks
        self._command, self._limits, self._metrics, self._spawn = command, limits, metrics, spawn
        self._policy = Policy(limits.max_batch_rows, batchable, limits.max_batch_seconds)
        self._batcher = Batcher(command.name, self._policy, limits.max_waiting_rows)
        self._processes: list[Process] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._unsettled = Unsettled(command.name)
        self._given_up = False
        self._queue_seconds = metrics.stages.series(command.name, "queue")
        self._predict_seconds = metrics.stages.series(command.name, "predict")
        self._batch_rows = metrics.batch_rows.labels(command.name)

    async def start(self) -> None:
        """Start every worker; READY once all have loaded. On failure nothing is left behind, and it is raised."""
        self._processes = [self._spawn(self._command_of(at)) for at in range(self._limits.workers)]
        try:
            async with asyncio.TaskGroup() as group:
                for process in self._processes:
                    group.create_task(process.start(self._limits.load_timeout_seconds))
        except BaseExceptionGroup as failures:
            await self.stop()
            raise _first(failures) from None
        except BaseException:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(self._work(at)) for at in range(len(self._processes))]
        self.streams = all(process.facts.get("streams") for process in self._processes)
        self._metrics.queue_rows.labels(self.name).set_function(lambda: self._batcher.rows)
        self.state = PoolState.READY
        self.count()

    def ask(self, bound: Bound, timeout_seconds: float) -> Entry:
        """Let one request wait for a worker; who asks awaits its `reply`, and then must `forget` it.

        The reply is the model's answer, or one of `errors.Unavailable`, `ModelFailed`, `InvalidInputs`.
        """
        now = time.monotonic()
        entry = Entry(bound.value, bound.params, bound.group, now + timeout_seconds, now, bound.rows)
        self._queue(entry)
        return entry

    def forget(self, entry: Entry) -> None:
        """Its asker has the reply, or wants none any more."""
        self._unsettled.discard(entry)

    async def predict(self, bound: Bound, timeout_seconds: float) -> wire.Value:
        """`ask`, and the reply."""
        entry = self.ask(bound, timeout_seconds)
        try:
            answer: wire.Value = await entry.reply
            return answer
        finally:
            self.forget(entry)

    async def warm(self, bound: Bound, timeout_seconds: float) -> None:
        """Ask for `bound`, which is one row, in batches of growing size, until rows get no cheaper.

        It shows the model the sizes that it will see, and the policy what they cost.
        """
        costs, began, size = self._policy.costs, time.monotonic(), 1
        while size <= self._limits.max_batch_rows and time.monotonic() - began < _WARM_SECONDS:
            for _ in range(_WARM_TIMES):
                await asyncio.gather(*(self.predict(bound, timeout_seconds) for _ in range(size)))
            if size > 2 * (costs.knee() or size):
                break
            size *= 2

    async def stream(self, bound: Bound, timeout_seconds: float) -> Chunks:
        """The answer in chunks, once there is one, each in `timeout_seconds`; who leaves before its end closes it."""
        now = time.monotonic()
        alone = object()  # batched with none
        entry = StreamEntry(bound.value, bound.params, alone, now + timeout_seconds, now, bound.rows)
        self._queue(entry)
        try:
            await entry.reply
        except BaseException:
            entry.chunks.close()
            self._unsettled.discard(entry)
            raise
        entry.chunks.over.add_done_callback(lambda _: self._unsettled.discard(entry))
        return entry.chunks

    def require_room(self) -> None:
        """`QueueFull` where a request would be refused anyway, before any work is done on it."""
        self._batcher.require_room()

    def _queue(self, entry: Entry) -> None:
        """Let `entry` wait for a worker; its reply may be refused."""
        if self.state is not PoolState.READY or self._given_up:
            raise self._none_ready()
        self._batcher.put(entry)
        self._unsettled.add(entry)

    @property
    def alive(self) -> int:
        """Workers that hold the model."""
        return sum(process.state in (State.READY, State.BUSY) for process in self._processes)

    @property
    def workers(self) -> Sequence[Mapping[str, Any]]:
        """Each worker's state, pid and the versions it runs under."""
        return [{"state": one.state, "pid": one.pid, **one.facts} for one in self._processes]

    async def drain(self, timeout_seconds: float) -> None:
        """Take no more requests, finish what was taken within `timeout_seconds`, then stop."""
        if self.state is PoolState.READY:
            self.state = PoolState.DRAINING
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._unsettled.emptied()
        await self.stop()

    async def stop(self) -> None:
        """End every worker now; whatever still waits is refused."""
        self.state = PoolState.STOPPED
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(process.stop() for process in self._processes))
        stopped = NotReady(f"model '{self.name}' was stopped: try again")
        self._batcher.refuse_all(stopped)
        for entry in list(self._unsettled):  # in the hands of a worker that is no more
            entry.refuse(stopped)
        self._unsettled.close()
        self.count()

    def count(self) -> None:
        """Set the metric of workers by state."""
        counted = Counter(process.state for process in self._processes)
        for state in State:
            labels = (self.name, self._command.digest, state)
            if self.state is PoolState.STOPPED:
                with contextlib.suppress(KeyError):
                    self._metrics.workers.remove(*labels)
            else:
                self._metrics.workers.labels(*labels).set(counted[state])

    async def _work(self, at: int) -> None:
        """One worker's life: pull, predict, settle; replaced in its place when it dies."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            process = self._processes[at]
            answered = await self._pull_until_dead(process)
            pause = _FIRST_PAUSE_SECONDS if answered else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            self._metrics.worker_deaths.labels(self.name).inc()
            log.warning("worker died", model=self.name, pid=process.pid, how=process.how, restart_in_seconds=pause)
            await process.stop()
            self.count()
            pause = await self._replace(at, pause)

    async def _pull_until_dead(self, process: Process) -> bool:
        """Serve batches with `process` until it is dead; whether it answered any."""
        answered, rows = False, 0
        watch = asyncio.create_task(self._wake_at_death(process))
        try:
            while batch := await self._batcher.take(rows, over=process.died.is_set):
                rows = sum([entry.rows for entry in batch])
                answered = await self._serve(process, batch, rows) or answered
        finally:
            watch.cancel()
        return answered

    async def _wake_at_death(self, process: Process) -> None:
        await process.died.wait()
        self._batcher.wake()

    async def _serve(self, process: Process, batch: list[Entry], rows: int) -> bool:
        """Answer a batch of so many rows, or a stream; whether the process did.

        Whatever fails here costs no more than that one.
        """
        self._observe_batch(batch, rows)
        try:
            if isinstance(batch[0], StreamEntry):
                await answer(self.name, process, batch[0], self._metrics)
            else:
                await self._predict(process, batch, rows)
        except TimeoutError:
            for entry in batch:
                entry.refuse(DeadlineExceeded(self.name, entry.patience))
            await process.stop()  # it is stuck
        except Died as death:
            self._retry_or_refuse(batch, str(death))
        except Exception:
            await process.stop()
            self._retry_or_refuse(batch, "the server failed on it; its log has the details")
            log.exception("batch failed unexpectedly", model=self.name)
        else:
            return True
        return False

    async def _predict(self, process: Process, batch: list[Entry], rows: int) -> None:
        message = wire.Predict(tuple([entry.value for entry in batch]), dict(batch[0].params))
        deadline = max([entry.deadline for entry in batch])
        answers = await process.predict(message, deadline - time.monotonic())  # later, nobody waits for it any more
        self._predict_seconds.observe(answers.seconds)
        self._policy.costs.observe(rows, answers.seconds)
        for entry, found in zip(batch, answers.answers, strict=True):
            if isinstance(found, wire.Fault):
                entry.refuse(faults.error(self.name, found))
            else:
                entry.resolve(found)

    def _observe_batch(self, batch: list[Entry], rows: int) -> None:
        now = time.monotonic()
        for entry in batch:
            self._queue_seconds.observe(now - entry.arrived)
        self._batch_rows.observe(rows)

    def _retry_or_refuse(self, batch: list[Entry], how: str) -> None:
        again = []
        for entry in batch:
            entry.attempts += 1
            if entry.attempts >= _MAX_ATTEMPTS or entry.reply.done():  # as it is once a stream has begun
                entry.refuse(WorkerDied(self.name, how))
            else:
                again.append(entry)
        self._batcher.put_back(again)

    async def _replace(self, at: int, pause: float) -> float:
        """Start a new worker in the place of a dead one, trying until it loads; the pause to use next time."""
        while True:
            await asyncio.sleep(pause)
            process = self._processes[at] = self._spawn(self._command_of(at))
            self.count()
            try:
                await process.start(self._limits.load_timeout_seconds)
            except RolloutFailed as error:
                await process.stop()
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                log.error("worker can't be replaced", model=self.name, reason=error.message, again_in_seconds=pause)
                if not self.alive:  # so far requests may wait for it; that it fails may last, so they are refused
                    self._given_up = True
                    self._batcher.refuse_all(self._none_ready())
                continue
            log.info("worker replaced", model=self.name, pid=process.pid)
            self._given_up = False
            self.count()
            return pause

    def _command_of(self, at: int) -> Command:
        devices = self._limits.devices
        return replace(self._command, device=devices[at % len(devices)]) if devices else self._command

    def _none_ready(self) -> NotReady:
        return NotReady(f"no worker of model '{self.name}' is ready: try again later")


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure of ours in the group; what went wrong beside it is its consequence."""
    inner: BaseException = failures.subgroup(RolloutFailed) or failures
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
