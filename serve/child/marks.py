"""Marks in what the model prints: of which batch it is, by the number that the server gave it.

Both streams stay what they were, text over the same descriptors; where something is printed in another batch than what
came before, a mark comes first: `RS number RS` (RS is the byte 0x1e), 0 between batches. What is written past Python,
by libraries in C, has none, and counts to the batch before.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any, Iterator

_now = [0]  # the batch that the model is at


class Marked(io.TextIOWrapper):
    """stdout or stderr."""

    _marked = 0

    def write(self, text: str) -> int:
        if self._marked != _now[0]:
            self._marked = _now[0]
            super().write(f"\x1e{self._marked}\x1e")
        return super().write(text)


def begin() -> None:
    """Mark both streams from now on. Before any import that might hold on to what they were."""
    for name in ("stdout", "stderr"):
        marked = _marked(getattr(sys, name))
        setattr(sys, name, marked)
        setattr(sys, f"__{name}__", marked)


@contextlib.contextmanager
def batch(number: int) -> Iterator[None]:
    """What is printed in the block is of this batch."""
    _now[0] = number
    try:
        yield
    finally:
        _now[0] = 0


def _marked(stream: Any) -> Marked:
    encoding, errors = stream.encoding, stream.errors
    return Marked(stream.detach(), encoding=encoding, errors=errors, line_buffering=True)
