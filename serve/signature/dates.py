"""ISO 8601 strings → `datetime64[ns]`, in UTC where they name an offset. Pure.

numpy alone would wrap a year beyond nanoseconds' range around to another century, and read 'now'.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from serve.errors import InvalidInputs

_DATE = re.compile(r"(\d{4})-\d\d-\d\d([T ].+)?", re.ASCII)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # what 64 bits of nanoseconds around 1970 hold in full


def parse(items: Sequence[str | None], place: Callable[[int], str]) -> np.ndarray[Any, Any]:
    """The dates as one array, null as NaT; `InvalidInputs` names the place of the first that is none."""
    for at, item in enumerate(items):
        found = _DATE.fullmatch(item) if item is not None else None
        if item is not None and (found is None or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR):
            raise _no_date(place(at))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that numpy drops the offset after having applied it
        try:
            return np.array(items, dtype="<M8[ns]")
        except ValueError:
            raise _no_date(place(next(at for at, item in enumerate(items) if not _readable(item)))) from None


def cast(array: np.ndarray[Any, Any], dtype: np.dtype[Any], place: str) -> np.ndarray[Any, Any]:
    """Dates in another unit of numpy's; `InvalidInputs` where it can't hold one of them, which numpy passes over."""
    there = array.astype(dtype)
    if not np.array_equal(there.astype(array.dtype), array, equal_nan=True):
        told = f"{place} holds a date that {dtype.name} can't hold, as the model takes it"
        raise InvalidInputs(told, place)
    return there


def uniform(items: Sequence[str | None]) -> bool:
    """Whether all are dates, or all are dates with seconds: what pandas of every version reads as numpy does."""
    kinds = {len(item) if item is not None and _PLAIN.fullmatch(item) else 0 for item in items}
    return len(kinds) == 1 and kinds != {0}


def _readable(item: str | None) -> bool:
    try:
        np.datetime64(item, "ns")
    except ValueError:
        return False
    return True


def _no_date(place: str) -> InvalidInputs:
    years = f"{_FIRST_YEAR} to {_LAST_YEAR}"
    return InvalidInputs(f"{place} is no date of the years {years}, as in 2024-05-31T12:00:00", place)
