"""Whether two answers agree: numbers may differ by `atol + rtol·|recorded|`, all else not at all. Pure."""

import math
from typing import Any

from serve.artifact.snapshot import Golden


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
