"""One worker of a pool: pulls a batch when idle, has its process predict it, settles its entries.

Its process is replaced when it dies, when it is stuck in a batch, when it does not answer while it is idle, and, by one
that is ready before it leaves, when it takes too much memory. The entries of a batch that ended its process, or was
stuck, go back to the front of the queue once, each alone; one that ends its process alone then is a killer. A stream
has the worker to itself until it ends, and is never begun twice.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

import psutil
import structlog

from serve.batch.batcher import Entry, StreamEntry
from serve.child import wire
from serve.errors import (
    DeadlineExceeded,
    InternalError,
    RolloutFailed,
    WorkerCrashed,
    WorkerDied,
)
from serve.worker import faults
from serve.worker.batches import note
from serve.worker.process import Command, Died, Process, State
from serve.worker.shared import Shared
from serve.worker.stream import answer

log = structlog.get_logger()

_DEATHS_OF_A_KILLER = 2
_OUR_FAULT = "the server failed on this request; its log has the details"


class Worker:
    """One of them, whose processes `spawn` makes of `command`, one after another."""

    def __init__(self, shared: Shared, command: Command, spawn: Callable[[Command], Process]) -> None:
        self._shared, self._command, self._spawn = shared, command, spawn
        self._successor: Process | None = None
        self._due = False  # to be asked whether it is there
        self._served = 0
        self.process = spawn(command)

    async def start(self) -> None:
        """Load; `RolloutFailed` where that fails."""
        await self.process.start(self._shared.limits.load_timeout_seconds)

    async def stop(self) -> None:
        """End its processes. Whoever runs it has been cancelled before."""
        await asyncio.gather(*(one.stop() for one in (self.process, self._successor) if one is not None))

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            process = self.process
            await self._serve_with(process)
            if process.died.is_set():
                await self._mourn(process)
            else:
                await self._hand_over(process)

    async def _serve_with(self, process: Process) -> None:
        """Serve batches until the process is dead, or has a successor."""
        rows = 0
        watch = asyncio.create_task(self._watch(process))
        try:
            while not self._is_over(process):
                batch = await self._shared.batcher.take(rows, over=lambda: self._due or self._is_over(process))
                if batch:
                    rows = sum([entry.rows for entry in batch])
                    await self._serve(process, batch, rows)
                elif self._due and not self._is_over(process):
                    await self._ask_whether_there(process)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def _is_over(self, process: Process) -> bool:
        return process.died.is_set() or self._successor is not None

    async def _watch(self, process: Process) -> None:
        """Have it asked whether it is there as often as it is idle for long; look for its memory, and for its death."""
        served = -1
        while not self._is_over(process):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._shared.limits.heartbeat_seconds):
                    await process.died.wait()
            self._due = process.state is State.READY and self._served == served
            served = self._served
            if not process.died.is_set() and self._is_too_large(process):
                await self._find_successor(process)
            self._shared.batcher.wake()

    async def _ask_whether_there(self, process: Process) -> None:
        self._due = False
        if not await process.beats(self._shared.limits.heartbeat_seconds):
            log.warning("worker frozen", model=self._shared.name, pid=process.pid)

    def _is_too_large(self, process: Process) -> bool:
        most = self._shared.limits.max_memory_bytes
        return most is not None and _memory(process.pid) > most

    async def _find_successor(self, process: Process) -> None:
        """Start the process that is to take this one's place; where that fails, this one stays."""
        successor = self._spawn(self._command)
        try:
            await successor.start(self._shared.limits.load_timeout_seconds)
        except BaseException as error:
            await successor.stop()
            if not isinstance(error, RolloutFailed):
                raise
            log.error("worker can't be replaced", model=self._shared.name, reason=error.message)
        else:
            self._successor = successor

    async def _hand_over(self, process: Process) -> None:
        """Let the successor take the place of a process that is idle and too large."""
        assert self._successor is not None
        self.process, self._successor = self._successor, None
        used = _memory(process.pid)
        await process.stop()
        log.info("worker recycled", model=self._shared.name, pid=process.pid, memory_mb=used // 2**20)
        self._shared.metrics.worker_recycles.labels(self._shared.name).inc()

    async def _serve(self, process: Process, batch: list[Entry], rows: int) -> None:
        """Answer a batch of so many rows, or a stream; whatever fails here costs no more than that one."""
        self._observe(batch, rows)
        try:
            if isinstance(batch[0], StreamEntry):
                await answer(self._shared.name, process, batch[0], self._shared.metrics)
            else:
                await self._predict(process, batch, rows)
        except TimeoutError:
            log.warning("worker stuck", model=self._shared.name, pid=process.pid, **process.batches.told_in_hand())
            await process.stop()
            self._retry_or_refuse_late(batch)
        except Died as death:
            how = str(death)
            self._retry(batch, lambda entry: self._convict(entry, how))
        except Exception:
            await process.stop()
            log.exception("batch failed unexpectedly", model=self._shared.name, **process.batches.told_in_hand())
            self._retry(batch, lambda entry: entry.refuse(InternalError(_OUR_FAULT)))
        else:
            self._served += 1
            self._shared.backoff.answered()

    async def _predict(self, process: Process, batch: list[Entry], rows: int) -> None:
        shared = self._shared
        number = process.batches.begin([entry.journey for entry in batch])
        message = wire.Predict(tuple([entry.value for entry in batch]), dict(batch[0].params), number)
        allowed = shared.limits.predict_timeout_seconds  # that callers are in a hurry says nothing of the process
        if allowed == float("inf"):
            allowed = max([entry.deadline for entry in batch]) - time.monotonic()
        sent = shared.clock()
        answers = await process.predict(message, allowed)
        process.batches.end()
        shared.predict_seconds.observe(answers.seconds)
        # With the way there and back, in which the model does nothing: small batches go it more often.
        answered = shared.clock()
        shared.policy.costs.observe(rows, answered - sent)
        note(shared.name, batch, rows, sent, answered, answers.seconds)
        for entry, found in zip(batch, answers.answers, strict=True):
            if isinstance(found, wire.Fault):
                entry.refuse(faults.error(shared.name, found, entry.journey))
            else:
                entry.resolve(found)

    def _observe(self, batch: list[Entry], rows: int) -> None:
        now, queue = time.monotonic(), self._shared.queue_seconds
        for entry in batch:
            queue.observe(now - entry.arrived)
        self._shared.batch_rows.observe(rows)

    def _retry(self, batch: list[Entry], give_up: Callable[[Entry], None]) -> None:
        """Have them tried once more, each alone."""
        again = []
        for entry in batch:
            entry.attempts += 1
            if entry.attempts < entry.most_attempts and not entry.reply.done():  # as it is once a stream has begun
                again.append(entry)
            else:
                give_up(entry)
        self._shared.batcher.put_back(again)

    def _convict(self, entry: Entry, how: str) -> None:
        """The process died with it, not for the first time, or in the middle of its stream, or another may try it."""
        if entry.reply.done() or entry.attempts < _DEATHS_OF_A_KILLER:
            entry.refuse(WorkerDied(self._shared.name, how))
        else:
            self._shared.killers.remember(entry.value, entry.params)
            entry.refuse(WorkerCrashed(self._shared.name, how))

    def _retry_or_refuse_late(self, batch: list[Entry]) -> None:
        """The process was stuck with them."""
        now, again = time.monotonic(), []
        for entry in batch:
            if len(batch) > 1 and entry.deadline > now:
                again.append(entry)
            else:
                is_late = entry.deadline <= now
                allowed = entry.patience if is_late else self._shared.limits.predict_timeout_seconds
                entry.refuse(DeadlineExceeded(self._shared.name, allowed))
        self._shared.batcher.put_back(again)

    async def _mourn(self, dead: Process) -> None:
        """Replace a process that died, trying until one loads."""
        shared, pause = self._shared, self._shared.backoff.failed()
        shared.deaths += 1
        shared.metrics.worker_deaths.labels(shared.name).inc()
        with_it = dead.batches.told_in_hand()
        log.warning("worker died", model=shared.name, pid=dead.pid, how=dead.how, restart_in_seconds=pause, **with_it)
        shared.why = dead.how
        await dead.stop()
        while True:
            self._give_up_where_hopeless()
            if self._successor is not None:
                self.process, self._successor = self._successor, None
                break
            await asyncio.sleep(pause)
            self.process = self._spawn(self._command)
            try:
                await self.process.start(shared.limits.load_timeout_seconds)
                break
            except RolloutFailed as error:
                await self.process.stop()
                pause = shared.backoff.failed()
                shared.why = error.message
                log.error("worker can't be replaced", model=shared.name, reason=shared.why, again_in_seconds=pause)
                if not shared.alive():  # so far requests may wait for it; that it fails may last, so they are refused
                    self._give_up()
        log.info("worker replaced", model=shared.name, pid=self.process.pid)
        shared.given_up = False

    def _give_up_where_hopeless(self) -> None:
        if self._shared.backoff.hopeless and not self._shared.alive():
            self._give_up()

    def _give_up(self) -> None:
        self._shared.given_up = True
        self._shared.batcher.refuse_all(self._shared.none_ready())


def _memory(pid: int) -> int:
    """Bytes that the process has in memory; 0 where it is no more."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
