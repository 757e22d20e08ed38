"""MLflow's own encoder beside ours: whatever it writes as sane, valid JSON reads the same from us.

Each way in which an answer may differ is a rule here, with the name that docs/outputs.md explains it under. What
MLflow can't write at all is ours to define: test_outputs.py says how.
"""

import datetime
import io
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mlflow.pyfunc.scoring_server import predictions_to_json

from serve.signature.predictions import to_json
from tests.serve.child.returned import DIFFERENT, SAME

PAGE = Path(__file__).parents[3] / "docs" / "outputs.md"
CANT = "MLflow can't"
FAULT = object()
UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")


def null(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, float) and not math.isfinite(theirs) and ours is None


def no_date(theirs: Any, ours: Any) -> bool:
    return theirs == "NaT" and ours is None


def one_line(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, str) and theirs.endswith("\n") and ours == theirs.replace("\n", "")


def half(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, str) and ours == re.sub("[\ud800-\udfff]", "\ufffd", theirs) != theirs


def date(theirs: Any, ours: Any) -> bool:
    if not isinstance(theirs, int) or not isinstance(ours, str):
        return False
    texts = {str(np.datetime64(theirs, unit)) for unit in (*UNITS, "ps")}
    return ours in {
        *texts,
        *(pd.Timestamp(np.datetime64(theirs, unit)).isoformat() for unit in ("s", "ms", "us", "ns")),
    }


def duration(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, int) and isinstance(ours, str) and pd.Timedelta(theirs).isoformat() == ours


# By the name that docs/outputs.md gives each.
RULES: dict[str, Callable[[Any, Any], bool]] = {
    "not a number": null,
    "no date": no_date,
    "bytes": one_line,
    "half a character": half,
    "integer dates": date,
    "integer durations": duration,
}


def differences(theirs: Any, ours: Any, place: str = "predictions") -> Iterator[str]:
    """The rule for each place where the answers differ; an assertion where there is none."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and len(theirs) == len(ours):
        for (key, one), (same, other) in zip(theirs.items(), ours.items(), strict=True):
            yield from differences(key, same, f"{place}'s keys")
            yield from differences(one, other, f"{place}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for at, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(one, other, f"{place}[{at}]")
    elif repr(theirs) != repr(ours):  # so that 1 is neither 1.0 nor True, and 0.0 not -0.0
        rules = [name for name, rule in RULES.items() if rule(theirs, ours)]
        assert rules, f"{place}: MLflow has {theirs!r}, we have {ours!r}"
        yield rules[0]


def mlflows(result: Any) -> str | None:
    """MLflow's answer; None where it fails."""
    body = io.StringIO()
    try:
        predictions_to_json(result, body)
    except (TypeError, ValueError, RecursionError, OverflowError):
        return None
    return body.getvalue()


def compared(outputs: ModuleType, result: Any) -> set[str]:
    """The names of the differences; `CANT` where MLflow has no answer, and ours is strict JSON or the model's fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both tell of columns of one name
        theirs = mlflows(result)
        try:
            ours = strict(to_json(outputs.to_value(result)))
        except (TypeError, ValueError):  # what the child answers as the model's fault
            ours = FAULT
    return {CANT} if theirs is None else set(differences(json.loads(theirs)["predictions"], ours))


def strict(body: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(body, parse_constant=refuse)["predictions"]


def series(array: Any) -> Any:
    try:
        return pd.Series(array)
    except ValueError:  # dates that pandas can't hold
        return pd.Series(list(array), dtype=object)


def nullable(items: list[int | None]) -> Any:
    return pd.Series(pd.array(items, dtype="Int8"))


dtypes = st.one_of(
    hnp.scalar_dtypes(),
    hnp.unicode_string_dtypes(max_len=3),
    hnp.byte_string_dtypes(max_len=3),
    st.builds(lambda unit: np.dtype(f"M8[{unit}]"), st.sampled_from(UNITS)),
)
arrays = dtypes.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.text(st.characters(categories=["Cs", "L"]), max_size=3),
    st.binary(max_size=80),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
    st.times(),
    st.sampled_from([pd.NaT, np.float32(0.1), np.float16("inf"), np.int8(1), np.uint64(2**64 - 1), np.bool_(False)]),
)
keys = st.text(max_size=3) | st.integers() | st.floats() | st.booleans() | st.none()
results = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=10,
)
columns = st.integers(0, 3).flatmap(
    lambda rows: st.lists(
        st.one_of(
            dtypes.flatmap(lambda dtype: hnp.arrays(dtype, rows)).map(series),
            st.lists(results, min_size=rows, max_size=rows).map(lambda items: pd.Series(items, dtype=object)),
            st.lists(st.none() | st.integers(-8, 7), min_size=rows, max_size=rows).map(nullable),
        ),
        min_size=1,
        max_size=4,
    )
)


@pytest.mark.parametrize("result", SAME.values(), ids=SAME.keys())
def test_an_answer_reads_as_mlflows_to_the_last_bit(outputs: ModuleType, result: Any) -> None:
    assert compared(outputs, result) == set()


@pytest.mark.parametrize(("result", "names"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_an_answer_differs_from_mlflows_only_as_documented(outputs: ModuleType, result: Any, names: set[str]) -> None:
    assert compared(outputs, result) == names


@pytest.mark.parametrize("name", RULES)
def test_each_difference_is_explained_in_the_docs(name: str) -> None:
    assert f"| {name} |" in PAGE.read_text()


@given(results)
def test_any_answer_reads_as_mlflows_but_for_these_differences(outputs: ModuleType, result: Any) -> None:
    compared(outputs, result)


@given(columns, st.data())
def test_any_frame_reads_as_mlflows_but_for_these_differences(
    outputs: ModuleType, parts: list[Any], data: st.DataObject
) -> None:
    frame = pd.concat(parts, axis=1)
    frame.columns = pd.Index(data.draw(st.lists(keys, min_size=len(parts), max_size=len(parts))), dtype=object)
    compared(outputs, frame)
    compared(outputs, parts[0])
