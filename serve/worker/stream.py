"""One answer in chunks, through one process: each is asked for once its caller has taken the one before.

The process is told to stop where the caller has left, or takes nothing for as long as the model may take for a
chunk: a caller that sleeps must not keep a worker.
"""

import asyncio
import time

from serve.batch.batcher import StreamEntry
from serve.child import wire
from serve.errors import ReadTooSlowly
from serve.metrics import Metrics
from serve.worker import faults
from serve.worker.batches import note
from serve.worker.process import Process


async def answer(name: str, process: Process, entry: StreamEntry, metrics: Metrics) -> None:
    """Settle `entry` with the answer of model `name`; `Died` where the process does, `TimeoutError` where it is
    stuck."""
    began = time.monotonic()
    number = process.batches.begin([entry.journey])
    reply = await _ask(process, wire.Stream(entry.value, dict(entry.params), number), entry.deadline - began)
    metrics.stages.series(name, "first_chunk").observe(time.monotonic() - began)
    while isinstance(reply, wire.Chunk):
        metrics.chunks.labels(name).inc()
        entry.bring(reply.value)
        reply = await _ask(process, await _next(name, entry), entry.patience)
    process.batches.end()
    answered = time.monotonic()
    note(name, [entry], entry.rows, began, answered, answered - began)
    if isinstance(reply, wire.Failed):
        entry.refuse(faults.error(name, reply.fault, entry.journey))
    else:
        entry.end()


async def _ask(
    process: Process, message: wire.Stream | wire.Next | wire.Stop, seconds: float
) -> wire.Chunk | wire.Done | wire.Failed:
    async with asyncio.timeout(max(0.0, seconds)):
        return await process.stream(message)


async def _next(name: str, entry: StreamEntry) -> wire.Next | wire.Stop:
    """What to ask for, once the caller has taken the last chunk or will not."""
    try:
        async with asyncio.timeout(entry.patience):
            return wire.Next() if await entry.chunks.wanted() else wire.Stop()
    except TimeoutError:
        entry.refuse(ReadTooSlowly(name, entry.patience))
        return wire.Stop()
