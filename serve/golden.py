"""Golden answers: what a model answered at its promotion must come again, or it does not go live.

A case is a request body as `/predict` takes it and the predictions it got. Promotion records the cases through
this very path; every load replays them. Numbers may differ by `atol + rtol·|recorded|`, all else not at all.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from serve.artifact.answers import difference
from serve.artifact.snapshot import Golden
from serve.child import wire
from serve.errors import GoldenMismatch, ServeError
from serve.signature import numbers, payload
from serve.signature.binding import Bound, bind
from serve.signature.predictions import to_json
from serve.signature.spec import Signature
from serve.worker.pool import Pool

__all__ = ["ask", "difference", "replay", "row"]


async def replay(name: str, golden: Golden, signature: Signature, pool: Pool, timeout_seconds: float) -> None:
    """Ask `pool` every golden request; `GoldenMismatch` names the first answer that differs."""
    for at, case in enumerate(golden.cases):
        try:
            found = await ask(case["request"], signature, pool, timeout_seconds)
        except ServeError as error:
            raise GoldenMismatch(f"model '{name}' can't answer its golden request {at}: {error.message}") from error
        place = difference(case["predictions"], found, golden)
        if place is not None:
            raise GoldenMismatch(f"model '{name}' does not reproduce its golden answer {at}: {place}")


def row(golden: Golden, signature: Signature) -> Bound | None:
    """One row as callers send it, to warm a model with; None where there is none that could be joined with others."""
    for case in golden.cases:
        bound = numbers.read(orjson.dumps(case["request"]), signature) or bind(
            payload.parse(case["request"]), signature
        )
        if bound.joins:
            return bound._replace(value=wire.cut(bound.value, [1] * bound.rows)[0])
    return None


async def ask(body: Mapping[str, Any], signature: Signature, pool: Pool, timeout_seconds: float) -> Any:
    """The predictions a caller would get for this body, as plain JSON values."""
    bound = bind(payload.parse(body), signature)
    value = await pool.predict(bound, timeout_seconds)
    return orjson.loads(to_json(value))["predictions"]
