"""A model's golden request and its answer, cut to what a person can read and a browser can show. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

READABLE_BYTES = 2048  # rows that fit in here are shown, and one row in any case
MOST_BYTES = 256 * 1024  # what is larger even so is no example to show
_LISTED = ("instances", "dataframe_records")


def of(case: Mapping[str, Any], *, batchable: bool) -> tuple[Any, Any] | None:
    """The request and its answer, with its first rows alone where each row is answered by itself; None if too large."""
    request, predictions = case["request"], case["predictions"]
    if batchable and isinstance(predictions, list) and predictions:
        rows = max(1, min(len(predictions), READABLE_BYTES * len(predictions) // len(orjson.dumps(request))))
        cut = _first(request, rows, len(predictions))
        if cut is not None:
            request, predictions = cut, predictions[:rows]
    fits = len(orjson.dumps(request)) + len(orjson.dumps(predictions)) <= MOST_BYTES
    return (request, predictions) if fits else None


def _first(request: Mapping[str, Any], rows: int, of_rows: int) -> Mapping[str, Any] | None:
    """The request with its first rows; None where it does not hold one item for each row."""
    form = next((form for form in ("inputs", *_LISTED, "dataframe_split") if form in request), None)
    if form is None:
        return None
    value = request[form]
    lists = list(value.values()) if isinstance(value, dict) else [value]
    if form == "dataframe_split":
        lists = [value["data"]]
        cut: Any = {key: item if key == "columns" else item[:rows] for key, item in value.items()}
    elif isinstance(value, dict):
        cut = {name: item[:rows] for name, item in value.items() if isinstance(item, list)}
    else:
        cut = value[:rows] if isinstance(value, list) else None
    whole = all(isinstance(item, list) and len(item) == of_rows for item in lists)
    return {**request, form: cut} if whole else None
