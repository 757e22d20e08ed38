"""The differences from MLflow that are meant, each with its id in docs/mlflow-differences.md and when it holds.

Most are about one place in an answer: what MLflow says there, and what we say instead. The others are about the
verdict on a whole case. Whatever is not one of these, exactly, is a failure.
"""

import datetime
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.differential import pinion
from tests.differential.oracle import Verdict
from tests.differential.payloads import Case
from tests.differential.pinion import Outcome

_BASE64_LINES = re.compile(r"[A-Za-z0-9+/=\n]*\n")
_UNSUPPORTED = ("This predictor only supports", "Unrecognized content type", "The scoring server only supports")
_EPOCH = datetime.datetime(1970, 1, 1)


def _is_null_for_nan(mlflow: Any, ours: Any) -> bool:
    return isinstance(mlflow, float) and not math.isfinite(mlflow) and ours is None


def _is_null_for_nat(mlflow: Any, ours: Any) -> bool:
    return mlflow == "NaT" and ours is None


def _is_base64_in_one_line(mlflow: Any, ours: Any) -> bool:
    return isinstance(mlflow, str) and bool(_BASE64_LINES.fullmatch(mlflow)) and mlflow.replace("\n", "") == ours


def _is_date_for_nanoseconds(mlflow: Any, ours: Any) -> bool:
    if type(mlflow) is not int or not isinstance(ours, str):
        return False
    whole, _, fraction = ours.partition(".")
    seconds = (datetime.datetime.fromisoformat(whole) - _EPOCH) // datetime.timedelta(seconds=1)
    return mlflow == seconds * 10**9 + int(fraction.ljust(9, "0"))


def _is_object_for_its_keys(mlflow: Any, ours: Any) -> bool:
    return isinstance(ours, dict) and mlflow == list(ours)


def _is_default_index(mlflow: Any, ours: Any) -> bool:
    """Of descriptions: an index that says 0, 1, 2, … in MLflow is a RangeIndex here."""
    return (
        isinstance(mlflow, list)
        and len(mlflow) == 4
        and mlflow[:2] == ["Index", "dtype('int64')"]
        and ours == ["RangeIndex", *mlflow[1:]]
        and mlflow[3] == [f"builtins.int {at}" for at in range(len(mlflow[3]))]
    )


def _is_params_none(mlflow: Any, ours: Any) -> bool:
    """Of descriptions: of params that the model does not declare, MLflow leaves an empty dict."""
    return bool(mlflow == [] and ours == "none")


PLACES: dict[str, Callable[[Any, Any], bool]] = {
    "null-for-nan": _is_null_for_nan,
    "null-for-nat": _is_null_for_nat,
    "base64-in-one-line": _is_base64_in_one_line,
    "date-for-nanoseconds": _is_date_for_nanoseconds,
    "object-for-its-keys": _is_object_for_its_keys,
    "default-index": _is_default_index,
    "params-none": _is_params_none,
}


def _is_content_type_spelling(case: Case, mlflow: Verdict, ours: Outcome) -> bool:
    """Only the spelling is unusual."""
    spelled = case.content_type.lower().replace('"', "").replace(" ", "").rstrip(";")
    return case.content_type != spelled and mlflow.reason.startswith(_UNSUPPORTED)


def _is_answer_mlflow_cannot_write(case: Case, mlflow: Verdict, ours: Outcome) -> bool:
    return mlflow.reached and ours.verdict.accepted


VERDICTS: dict[str, Callable[[Case, Verdict, Outcome], bool]] = {
    "content-type-spelling": _is_content_type_spelling,
    "answer-mlflow-cannot-write": _is_answer_mlflow_cannot_write,
}

IDS = {*PLACES, *VERDICTS}


def places(mlflow: Any, ours: Any) -> Iterator[str]:
    """What differs between two answers, place by place: the id of an explained difference, or '' for another."""
    mlflow, ours = _read(mlflow), _read(ours)
    if type(mlflow) is type(ours) and mlflow == ours:
        return
    name = next((name for name, holds in PLACES.items() if holds(mlflow, ours)), "")
    inner = () if name else _inner(mlflow, ours)
    if not inner:
        yield name
    for one, other in inner:
        yield from places(one, other)


def _inner(mlflow: Any, ours: Any) -> list[tuple[Any, Any]]:
    """The parts of two lists or objects of the same shape, in order."""
    if isinstance(mlflow, list) and isinstance(ours, list) and len(mlflow) == len(ours):
        return list(zip(mlflow, ours, strict=True))
    if isinstance(mlflow, dict) and isinstance(ours, dict) and list(mlflow) == list(ours):
        return [(mlflow[key], ours[key]) for key in mlflow]
    return []


def _read(value: Any) -> Any:
    """A probe's description, which is JSON within the answer's JSON, as what it describes."""
    return json.loads(value) if isinstance(value, str) and value.startswith('{"data":') else value


def verdict(case: Case, mlflow: Verdict, ours: Outcome) -> str:
    """The id of the difference that explains another verdict, or ''."""
    if ours.lane == pinion.FAILED:
        return ""
    return next((name for name, holds in VERDICTS.items() if holds(case, mlflow, ours)), "")
