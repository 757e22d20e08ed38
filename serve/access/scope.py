"""What a caller may do, as data: the scopes of a key or token, and what a route asks for. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What is granted; `admin` is all of it."""

    PREDICT = "predict"
    METRICS = "metrics"
    ADMIN = "admin"


class Need(StrEnum):
    """What a route asks of its caller; `KNOWN` is any scope at all."""

    NOTHING = "nothing"
    KNOWN = "known"
    PREDICT = "predict"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may have, until a time since the epoch. `id` is for the log, and is no secret."""

    id: str
    opens: frozenset[Need]
    until: float = math.inf


def opened(scopes: Iterable[Scope]) -> frozenset[Need]:
    """What these scopes are enough for, once for all requests."""
    held = frozenset(scopes)
    if Scope.ADMIN in held:
        return frozenset(Need)
    return frozenset({Need.NOTHING, *([Need.KNOWN] if held else ()), *(Need(scope.value) for scope in held)})
