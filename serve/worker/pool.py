"""The workers of one model, behind one queue: starts, asks, drains, stops.

A pool owns its batcher and its workers. It is STARTING until every worker is warm, READY while it takes requests,
DRAINING while what it took is finished, then STOPPED.
"""

import asyncio
import enum
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from serve.batch.batcher import Batcher, Entry, StreamEntry
from serve.batch.chunks import Chunks
from serve.batch.policy import Policy
from serve.batch.unsettled import Unsettled
from serve.child import wire
from serve.errors import DeadlineExceeded, NotReady, RolloutFailed, WorkerCrashed
from serve.journey import Journey
from serve.metrics import Metrics
from serve.signature.binding import Bound
from serve.worker.confinement import Sandbox
from serve.worker.gauges import Gauges
from serve.worker.process import Command, Process, State
from serve.worker.shared import PoolLimits, Shared
from serve.worker.worker import Worker

__all__ = ["Pool", "PoolLimits", "PoolState"]

log = structlog.get_logger()

_WARM_SECONDS, _WARM_TIMES = 3.0, 8


class PoolState(enum.StrEnum):
    """Where a pool is in its life; it only goes down this list."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"


class Pool:
    """Workers for one model, started with `spawn`; what batches cost is read off `clock`, in seconds."""

    def __init__(
        self,
        command: Command,
        limits: PoolLimits,
        metrics: Metrics,
        batchable: bool,
        spawn: Callable[[Command], Process] = Process,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = command.name
        self.state = PoolState.STARTING
        self.streams = False  # whether the model can answer in chunks
        self._command, self._limits, self._metrics, self._spawn = command, limits, metrics, spawn
        self._policy = Policy(limits.max_batch_rows, batchable, limits.max_batch_seconds)
        self._batcher = Batcher(
            command.name,
            self._policy,
            limits.max_waiting_rows,
            max_waiting_seconds=limits.max_waiting_seconds,
            workers=limits.workers,
            dropped=lambda rows, reason: metrics.dropped_rows.labels(command.name, reason).inc(rows),
        )
        self._shared = Shared(command.name, self._batcher, self._policy, limits, metrics, clock)
        self._shared.alive = lambda: self.alive
        self._workers: list[Worker] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._unsettled = Unsettled(command.name)
        self._gauges = Gauges(metrics, command, self._batcher, lambda: self._processes)

    async def start(self) -> None:
        """Start every worker; READY once all have loaded. On failure nothing is left behind, and it is raised."""
        self._workers = [Worker(self._shared, self._command_of(at), self._spawn) for at in range(self._limits.workers)]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.start())
        except BaseExceptionGroup as failures:
            await self.stop()
            raise _first(failures) from None
        except BaseException:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(worker.run()) for worker in self._workers]
        self.streams = all(process.facts.get("streams") for process in self._processes)
        self._tell_sandbox()
        self.state = PoolState.READY

    def ask(
        self,
        bound: Bound,
        timeout_seconds: float,
        attempts: int = 0,
        most_attempts: int = 2,
        journey: Journey | None = None,
    ) -> Entry:
        """Let one request wait for a worker; who asks awaits its `reply`, and then must `forget` it.

        The reply is the model's answer, or one of `errors.Unavailable`, `ModelFailed`, `InvalidInputs`.
        """
        now = time.monotonic()
        deadline = now + timeout_seconds
        alone = attempts > 0
        value, params, group, rows = bound.value, bound.params, bound.group, bound.rows
        entry = Entry(value, params, group, deadline, now, rows, attempts, most_attempts, alone, journey)
        self._queue(entry)
        return entry

    def remember_killer(self, bound: Bound) -> None:
        """A worker of ours and one of another release died with this request: we take it no more."""
        self._shared.killers.remember(bound.value, bound.params)

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

    async def stream(self, bound: Bound, timeout_seconds: float, journey: Journey | None = None) -> Chunks:
        """The answer in chunks, once there is one, each in `timeout_seconds`; who leaves before its end closes it."""
        now = time.monotonic()
        alone = object()  # batched with none
        deadline = now + timeout_seconds
        entry = StreamEntry(bound.value, bound.params, alone, deadline, now, bound.rows, journey=journey)
        self._queue(entry)
        try:
            await entry.reply
        except BaseException:
            entry.chunks.close()
            self._unsettled.discard(entry)
            raise
        entry.chunks.over.add_done_callback(lambda _: self._unsettled.discard(entry))
        return entry.chunks

    def require_room(self, patience: float) -> None:
        """`QueueFull` where a request would be refused anyway, before any work is done on it.

        So it is where it would wait for most of the `patience` seconds that its answer may take.
        """
        self._batcher.require_room(patience)

    def _queue(self, entry: Entry) -> None:
        """Let `entry` wait for a worker; its reply may be refused."""
        shared = self._shared
        if self.state is not PoolState.READY or shared.given_up:
            raise shared.none_ready()
        if shared.killers and shared.killers.knows(entry.value, entry.params):
            raise WorkerCrashed(self.name, "as it did before")
        self._batcher.put(entry)
        self._unsettled.add(entry)

    @property
    def _processes(self) -> list[Process]:
        return [worker.process for worker in self._workers]

    @property
    def alive(self) -> int:
        """Workers that hold the model."""
        return sum(process.state in (State.READY, State.BUSY) for process in self._processes)

    @property
    def given_up(self) -> bool:
        """Whether no worker is alive, and none is to be expected soon."""
        return self._shared.given_up

    @property
    def why(self) -> str:
        """How the last worker died, or why none could take its place; '' where neither happened."""
        return self._shared.why

    @property
    def deaths(self) -> int:
        """Workers that died so far without being asked to."""
        return self._shared.deaths

    @property
    def workers(self) -> Sequence[Mapping[str, Any]]:
        """Each worker's state, pid and the versions it runs under."""
        return [{"state": one.state, "pid": one.pid, **one.facts} for one in self._processes]

    @property
    def sandbox(self) -> Sandbox:
        """What is in force in the workers' processes."""
        return self._processes[0].sandbox

    def _tell_sandbox(self) -> None:
        tell = log.warning if self.sandbox.open else log.info
        tell("sandbox", model=self.name, **self.sandbox.facts)

    async def drain(self, timeout_seconds: float) -> None:
        """Take no more requests, finish what was taken within `timeout_seconds`, then stop."""
        if self.state is PoolState.READY:
            self.state = PoolState.DRAINING
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._unsettled.emptied()
        except TimeoutError:
            now = time.monotonic()
            for entry in [one for one in self._unsettled if not one.reply.done()]:  # as it is where a stream has begun
                entry.refuse(DeadlineExceeded(self.name, round(now - entry.arrived, 1)))
        await self.stop()

    async def stop(self) -> None:
        """End every worker now; whatever still waits is refused."""
        self.state = PoolState.STOPPED
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        stopped = NotReady(f"model '{self.name}' was stopped: try again")
        self._batcher.refuse_all(stopped)
        for entry in list(self._unsettled):  # in the hands of a worker that is no more
            entry.refuse(stopped)
        self._unsettled.close()
        self._gauges.close()

    def _command_of(self, at: int) -> Command:
        command = replace(self._command, max_answer_bytes=self._limits.max_answer_bytes)
        devices = self._limits.devices
        return replace(command, device=devices[at % len(devices)]) if devices else command


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure of ours in the group; what went wrong beside it is its consequence."""
    inner: BaseException = failures.subgroup(RolloutFailed) or failures
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner
