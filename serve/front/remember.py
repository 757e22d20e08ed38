"""What a header says, remembered by its text: callers send the same few again and again, and a few that are long."""

import functools
from collections.abc import Callable
from typing import TypeVar

Told = TypeVar("Told")

_MOST = 64
_LONGEST = 256


def remember(read: Callable[[str], Told]) -> Callable[[str], Told]:
    """The same function, which remembers what it made of the last texts that are short."""
    known = functools.lru_cache(maxsize=_MOST)(read)

    @functools.wraps(read)
    def remembering(text: str) -> Told:
        return known(text) if len(text) <= _LONGEST else read(text)

    remembering.remembered = known  # type: ignore[attr-defined]
    return remembering
