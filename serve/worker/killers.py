"""Requests that ended two workers: remembered for a while, so that the same one ends no third.

Only a digest is kept. Bounded in number and time: what is forgotten may try again, and costs two workers at most.
"""

import collections
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from serve.child.wire import Value

_MOST = 1024
_SECONDS = 600.0


class Killers:
    """Those of one model. False where there are none, so that to ask costs nothing then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: collections.OrderedDict[bytes, float] = collections.OrderedDict()  # the soonest first

    def __len__(self) -> int:
        return len(self._until)

    def remember(self, value: Value, params: Mapping[str, Any]) -> None:
        """It ended two workers."""
        digest = _digest(value, params)
        self._until[digest] = self._clock() + _SECONDS
        self._until.move_to_end(digest)
        if len(self._until) > _MOST:
            self._until.popitem(last=False)

    def knows(self, value: Value, params: Mapping[str, Any]) -> bool:
        """Whether it did, of late."""
        now = self._clock()
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        return bool(self._until) and _digest(value, params) in self._until


def _digest(value: Value, params: Mapping[str, Any]) -> bytes:
    found = hashlib.blake2b(repr((value.kind, sorted(params.items()))).encode(), digest_size=16)
    for part in value.parts:
        found.update(repr((part.name, part.dtype, part.shape, part.columns)).encode())
        found.update(part.data)
    return found.digest()
