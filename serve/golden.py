"""Golden answers: what a model answered at its promotion must come again, or it does not go live.

A case is a request body as `/predict` takes it and the predictions it got. Promotion records the cases through
this very path; every load replays them. Numbers may differ by `atol + rtol·|recorded|`, all else not at all.
"""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from serve.artifact.snapshot import Golden
from serve.child import wire
from serve.errors import GoldenMismatch, ServeError
from serve.signature import numbers, payload
from serve.signature.binding import Bound, bind
from serve.signature.predictions import to_json
from serve.signature.spec import Signature
from serve.worker.pool import Pool


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


def difference(recorded: Any, found: Any, golden: Golden, place: str = "predictions") -> str | None:
    """Where and how `found` differs from `recorded`; None where it agrees."""
    if isinstance(recorded, dict) and isinstance(found, dict) and recorded.keys() == found.keys():
        pairs = ((f"{place}.{key}", recorded[key], found[key]) for key in recorded)
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        pairs = ((f"{place}[{at}]", *both) for at, both in enumerate(zip(recorded, found, strict=True)))
    elif _agree(recorded, found, golden):
        return None
    else:
        return f"{place} was {_short(recorded)} at promotion and is {_short(found)} now"
    told = (difference(before, now, golden, where) for where, before, now in pairs)
    return next((one for one in told if one is not None), None)


def _agree(recorded: Any, found: Any, golden: Golden) -> bool:
    if _number(recorded) and _number(found):
        return math.isclose(recorded, found, rel_tol=0.0, abs_tol=golden.atol + golden.rtol * abs(recorded))
    return type(recorded) is type(found) and bool(recorded == found)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {', '.join(list(value)[:4])}"
    return repr(value)[:60]
