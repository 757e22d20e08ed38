"""Workers that are fakes, in a real pool."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from serve.child import wire
from serve.metrics import Metrics
from serve.signature.binding import Bound
from serve.worker.pool import Pool, PoolLimits
from serve.worker.process import Command, Process, State
from tests.fakes import FakeClock

ROW = Bound(wire.Value("array", (wire.Part(None, "|u1", (1,), b"1"),)), {})


class Crew:
    """Starts fake workers and knows them all; a batch takes each of them `seconds` of its rows, by its own clock."""

    def __init__(self, seconds: Callable[[int], float] = lambda rows: 0.0) -> None:
        self.seconds = seconds
        self.clock = FakeClock()
        self.devices: list[str] = []
        self.batches: list[int] = []
        self.hired = asyncio.Event()

    def spawn(self, command: Command) -> Process:
        self.devices.append(command.device)
        self.hired.set()
        return FakeWorker(command, self)


class FakeWorker(Process):
    """Answers each value with itself."""

    def __init__(self, command: Command, crew: Crew) -> None:
        super().__init__(command)
        self._crew = crew

    async def start(self, timeout_seconds: float) -> None:
        self._become(State.READY)

    async def predict(self, message: wire.Predict, timeout_seconds: float) -> wire.Answers:
        rows = sum(value.rows for value in message.values)
        self._crew.batches.append(rows)
        self._crew.clock.advance(self._crew.seconds(rows))
        return wire.Answers(message.values, 0.0)

    def die(self) -> None:
        self._end("killed by SIGKILL")


@asynccontextmanager
async def running(
    crew: Crew, workers: int = 1, rows: int = 64, waiting: int = 1000, devices: tuple[str, ...] = ()
) -> AsyncIterator[Pool]:
    here = Path()
    command = Command("digits", "sha256:0", here, Path(sys.executable), threads=1, state=here)
    limits = PoolLimits(workers, rows, waiting, 1.0, devices=devices)
    pool = Pool(command, limits, Metrics(CollectorRegistry()), batchable=True, spawn=crew.spawn, clock=crew.clock)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()
