"""Content negotiation: an Accept header and the content types that can be given → the one to give. Pure.

Source: RFC 9110, 12.5.1. Of what the caller wants equally, the type that it names more exactly is given, then the
earlier of ours. Parameters other than q say nothing here. Without a header anything will do: the first of ours.
"""

import re
from collections.abc import Sequence

from serve.errors import NotAcceptable

_RANGE = re.compile(r"\s*([\w!#$%&'*+.^`|~-]+)/([\w!#$%&'*+.^`|~-]+)\s*((?:;[^,]*)?)", re.ASCII)
_MOST_RANGES = 64  # further ones are not looked at
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", re.ASCII)


def choose(accept: str, given: Sequence[str]) -> str:
    """The content type of the answer, or `NotAcceptable`, which names those that can be given."""
    if not accept.strip():
        return given[0]
    parts = accept.lower().split(",", _MOST_RANGES)[:_MOST_RANGES]
    ranges = [found.groups() for part in parts if (found := _RANGE.fullmatch(part))]
    best = max(given, key=lambda kind: _wanted(kind, ranges))  # the first of equals
    if _wanted(best, ranges)[0] <= 0:
        raise NotAcceptable(f"the answer can't be given as the Accept header asks; it can be {', '.join(given)}")
    return best


def _wanted(kind: str, ranges: Sequence[tuple[str, ...]]) -> tuple[float, int]:
    """How much, by the most exact range that names this type, and how exact that is."""
    main, sub = kind.split("/")
    exactness = {(main, sub): 2, (main, "*"): 1, ("*", "*"): 0}
    found = [(exactness[one[0], one[1]], _quality(one[2])) for one in ranges if (one[0], one[1]) in exactness]
    exact, quality = max(found, default=(0, 0.0))
    return quality, exact


def _quality(parameters: str) -> float:
    found = _QUALITY.search(parameters)
    return min(1.0, float(found[1])) if found else 1.0
