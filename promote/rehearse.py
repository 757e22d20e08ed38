"""The rehearsal: the staged model served by serve's own rooms, in an environment of its own, on its own example.

It must load, answer its example twice alike, and it is batchable if each row gets the same answer alone and
among others. Its answers become the golden ones. What fails here would have failed in production; so the
environment is always one built from the recipe alone, never this one, which may have more in it.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from promote.errors import PromotionRefused, plain
from promote.plan import Patience
from serve import golden
from serve.artifact import snapshot
from serve.artifact.lease import Leases
from serve.artifact.snapshot import Golden, Recipe
from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import PredictFailed, ServeError
from serve.metrics import Metrics
from serve.signature import payload
from serve.signature.binding import Bound, bind
from serve.signature.predictions import to_json
from serve.signature.spec import Signature
from serve.worker import environment
from serve.worker.policy import EnvironmentPolicy
from serve.worker.pool import Pool, PoolLimits
from serve.worker.process import Command

RTOL, ATOL = 1e-4, 1e-5
_MOST_ROWS = 64


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the rehearsal found: why requests may not share a batch ('' where they may), and the golden answers."""

    why_not_batchable: str
    golden: Golden


@dataclass(frozen=True, slots=True)
class _Served:
    """The model on the stage, and how to ask it."""

    pool: Pool
    signature: Signature
    predict_seconds: float

    async def ask(self, bound: Bound) -> Any:
        value = await self.pool.predict(bound, self.predict_seconds)
        return orjson.loads(to_json(value))["predictions"]


async def rehearse(command: Command, body: Mapping[str, Any], patience: Patience) -> Rehearsed:
    """Serve the model and ask it `body`, its own example; `PromotionRefused` where it does not hold."""
    try:
        signature = snapshot.signature(command.folder)
        async with _pool(command, patience.load_seconds) as pool:
            return await _observe(body, _Served(pool, signature, patience.predict_seconds))
    except PredictFailed as error:
        hint = command.confinement.hint(error.detail)
        told = f"its example makes it fail: {error.kind}: {plain(error.detail, 400)}{hint}"
        raise PromotionRefused(f"the rehearsal failed: {told}") from error
    except ServeError as error:
        raise PromotionRefused(f"the rehearsal failed: {plain(error.message, 500)}") from error


async def interpreter(
    recipe: Recipe, state: Path, patience: Patience, leases: Leases, from_source: bool = False
) -> Path:
    """The Python executable of the recipe's own environment, which no server removes while `leases` lasts."""
    try:
        return await environment.interpreter(
            recipe, state, EnvironmentPolicy.ISOLATED, patience.build_seconds, leases, from_source
        )
    except ServeError as error:
        raise PromotionRefused(f"its environment can't be made: {error.message}") from error


@contextlib.asynccontextmanager
async def _pool(command: Command, load_seconds: float) -> AsyncIterator[Pool]:
    limits = PoolLimits(workers=1, max_batch_rows=_MOST_ROWS, max_waiting_rows=10**9, load_timeout_seconds=load_seconds)
    pool = Pool(command, limits, Metrics(CollectorRegistry()), batchable=True)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def _observe(body: Mapping[str, Any], served: _Served) -> Rehearsed:
    bound = bind(payload.parse(body), served.signature)
    first = await served.ask(bound)
    recorded = Golden(({"request": body, "predictions": first},), RTOL, ATOL)
    place = golden.difference(first, await served.ask(bound), recorded)
    if place is not None:
        raise PromotionRefused(f"the model answers the same example differently each time: {place}")
    return Rehearsed(await _why_not_batchable(bound, first, served, recorded), recorded)


async def _why_not_batchable(bound: Bound, whole: Any, served: _Served, tolerance: Golden) -> str:
    """'' where each row is answered alike alone, with others, and in the whole example; else what differs."""
    if not served.signature.checked_here:
        return "its inputs are of types that MLflow checks in the worker"
    if not bound.joins:
        return "its inputs do not all come row by row"
    if _length(whole) != bound.rows:
        return "its example does not get one answer a row"
    rows = [_row(bound, at) for at in range(min(bound.rows, _MOST_ROWS))]
    rows = rows if len(rows) > 1 else rows * 2
    alone = [await served.ask(row) for row in rows]
    together = await asyncio.gather(*(served.ask(row) for row in rows))
    for at, (one, other) in enumerate(zip(alone, together, strict=True)):
        if _length(one) != 1:
            return f"row {at} of its example does not get one answer"
        place = golden.difference(one, other, tolerance)
        if place is not None:
            return f"row {at} of its example is answered differently among others: {place}"
    return ""


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
        items, size = orjson.loads(bytes(part.data)), math.prod(shape)
        return Part(part.name, part.dtype, shape, orjson.dumps(items[at * size : (at + 1) * size]))
    raw = memoryview(part.data).cast("B")
    size = len(raw) // part.shape[0]
    return Part(part.name, part.dtype, shape, bytes(raw[at * size : (at + 1) * size]))
