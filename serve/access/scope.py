"""What a caller may do, as data: the scopes of a key or token, and what a route asks for. Pure."""

import math
from dataclasses import dataclass
from enum import Enum, StrEnum


class Scope(StrEnum):
    """What is granted; `admin` is all of it."""

    PREDICT = "predict"
    METRICS = "metrics"
    ADMIN = "admin"


class Need(Enum):
    """What a route asks of its caller; `KNOWN` is any scope at all."""

    NOTHING = "nothing"
    KNOWN = "known"
    PREDICT = "predict"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may do, until a time since the epoch. `id` is for the log, and is no secret."""

    id: str
    scopes: frozenset[Scope]
    until: float = math.inf

    def meets(self, need: Need) -> bool:
        """Whether that is enough for a route."""
        if need is Need.NOTHING or Scope.ADMIN in self.scopes:
            return True
        return bool(self.scopes) if need is Need.KNOWN else need.value in self.scopes
