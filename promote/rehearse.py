"""The rehearsal: the staged model served by serve's own rooms, in its own environment, on its own example.

It must load, answer its example twice alike, and it is batchable if each row gets the same answer alone and
among others. Its answers become the golden ones. What fails here would have failed in production.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from promote.errors import PromotionRefused
from serve import golden
from serve.artifact import snapshot
from serve.artifact.snapshot import Golden, Recipe
from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import ServeError
from serve.metrics import Metrics
from serve.signature import payload
from serve.signature.binding import Bound, bind
from serve.signature.predictions import to_json
from serve.signature.spec import Signature
from serve.worker import environment
from serve.worker.environment import EnvironmentPolicy
from serve.worker.pool import Pool, PoolLimits
from serve.worker.process import Command

RTOL, ATOL = 1e-4, 1e-5
_PREDICT_SECONDS = 120.0
_MOST_ROWS = 64


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the rehearsal found: whether requests may share a batch, why not if not, and the golden answers."""

    batchable: bool
    why_not: str
    golden: Golden


async def rehearse(name: str, model: Path, recipe: Recipe, body: Mapping[str, Any], state: Path) -> Rehearsed:
    """Serve `model` and ask it `body`, its own example; `PromotionRefused` where it does not hold."""
    try:
        signature = snapshot.signature(model)
        python = await environment.interpreter(recipe, state, EnvironmentPolicy.AUTO, 1800.0)
        async with _pool(Command(name, "", model, python, threads=1, state=state)) as pool:
            return await _observe(body, signature, pool)
    except ServeError as error:
        raise PromotionRefused(f"the rehearsal failed: {error.message}") from error


@contextlib.asynccontextmanager
async def _pool(command: Command) -> AsyncIterator[Pool]:
    limits = PoolLimits(workers=1, max_batch_rows=_MOST_ROWS, max_waiting_rows=10**9, load_timeout_seconds=120.0)
    pool = Pool(command, limits, Metrics(CollectorRegistry()), batchable=True)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def _observe(body: Mapping[str, Any], signature: Signature, pool: Pool) -> Rehearsed:
    first = await golden.ask(body, signature, pool, _PREDICT_SECONDS)
    recorded = Golden(({"request": body, "predictions": first},), RTOL, ATOL)
    again = await golden.ask(body, signature, pool, _PREDICT_SECONDS)
    place = golden.difference(first, again, recorded)
    if place is not None:
        raise PromotionRefused(f"the model answers the same example differently each time: {place}")
    why_not = await _why_not_batchable(bind(payload.parse(body), signature), first, signature, pool, recorded)
    return Rehearsed(why_not == "", why_not, recorded)


async def _why_not_batchable(bound: Bound, whole: Any, signature: Signature, pool: Pool, tolerance: Golden) -> str:
    """'' where each row is answered alike alone, with others, and in the whole example; else what differs."""
    if not signature.checked_here:
        return "its inputs are of types that MLflow checks in the worker"
    rows = [_row(bound, at) for at in range(min(bound.rows, _MOST_ROWS))]
    rows = rows if len(rows) > 1 else rows * 2
    alone = [await _ask(row, pool) for row in rows]
    together = await asyncio.gather(*(_ask(row, pool) for row in rows))
    for at, (one, other) in enumerate(zip(alone, together, strict=True)):
        if _length(one) != 1:
            return f"row {at} of its example does not get one answer"
        place = golden.difference(one, other, tolerance)
        if place is not None:
            return f"row {at} of its example is answered differently among others: {place}"
    return "" if _length(whole) == bound.rows else "its example does not get one answer a row"


async def _ask(bound: Bound, pool: Pool) -> Any:
    return orjson.loads(to_json(await pool.predict(bound, _PREDICT_SECONDS)))["predictions"]


def _length(predictions: Any) -> int:
    """How many rows an answer has; -1 where it has none."""
    if isinstance(predictions, dict):
        lengths = {_length(column) for column in predictions.values()}
        return lengths.pop() if len(lengths) == 1 else -1
    return len(predictions) if isinstance(predictions, list) else -1


def _row(bound: Bound, at: int) -> Bound:
    """One row of a bound request, as a request of its own."""
    parts = tuple(_part_row(part, at) for part in bound.value.parts)
    return Bound(Value(bound.value.kind, parts), bound.params)


def _part_row(part: Part, at: int) -> Part:
    shape = (1, *part.shape[1:])
    if part.dtype in (JSON, BASE64):
        return Part(part.name, part.dtype, shape, orjson.dumps([orjson.loads(bytes(part.data))[at]]))
    raw = memoryview(part.data).cast("B")
    size = len(raw) // part.shape[0]
    return Part(part.name, part.dtype, shape, bytes(raw[at * size : (at + 1) * size]))
