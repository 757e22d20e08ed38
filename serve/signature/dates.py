"""ISO 8601 strings → `datetime64[ns]`, in UTC where they name an offset. Pure.

numpy alone would wrap a year beyond nanoseconds' range around to another century, and read 'now'.
"""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from serve.errors import InvalidInputs

_DATE = re.compile(r"(\d{4})-\d\d-\d\d([T ].+)?", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # what 64 bits of nanoseconds around 1970 hold in full


def parse(items: Sequence[str | None], where: str) -> np.ndarray[Any, Any]:
    """The dates as one array, null as NaT; `InvalidInputs` names the place of the first that is none."""
    for at, item in enumerate(items):
        found = _DATE.fullmatch(item) if item is not None else None
        if item is not None and (found is None or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR):
            raise InvalidInputs(
                f"{where}[{at}] is no date of the years {_FIRST_YEAR} to {_LAST_YEAR}, as in 2024-05-31T12:00:00"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that numpy drops the offset after having applied it
        try:
            return np.array(items, dtype="<M8[ns]")
        except ValueError as error:
            raise InvalidInputs(f"{where} holds a value that is no datetime") from error
