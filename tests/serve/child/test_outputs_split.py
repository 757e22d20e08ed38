"""No caller gets a neighbour's rows: a batch's result is cut by rows, or not at all."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.signature.predictions import to_json

# What a model makes of its rows, here numbers; what it makes of some must be what is cut out for them.
OF_ROWS: dict[str, Callable[[list[int]], Any]] = {
    "array": np.array,
    "array of pairs": lambda rows: np.array([[row, -row] for row in rows]).reshape(-1, 2),
    "strings": lambda rows: np.array([str(row) for row in rows], "U2"),
    "bytes": lambda rows: np.array([bytes([row]) for row in rows], object),
    "dates": lambda rows: np.array(rows, "M8[D]"),
    "masked array": lambda rows: np.ma.array(rows, mask=[row % 2 for row in rows]),
    "records": lambda rows: np.array([(row, str(row)) for row in rows], [("a", "i4"), ("b", "U2")]),
    "list": lambda rows: [{"a": row} for row in rows],
    "frame": lambda rows: pd.DataFrame({"a": rows, "b": [str(row) for row in rows]}, index=[9] * len(rows)),
    "frame indexed by number": lambda rows: pd.DataFrame({"a": rows}, index=range(len(rows), 0, -1)),
    "series": lambda rows: pd.Series(rows, index=[str(row) for row in rows], dtype="Int64"),
    "index": lambda rows: pd.Index([str(row) for row in rows], dtype=object),
    "pandas array": lambda rows: pd.array([None if row == 3 else row for row in rows], dtype="Int64"),
    "tensor": lambda rows: torch.tensor(rows, dtype=torch.float32, requires_grad=True),
    "csr matrix": lambda rows: scipy.sparse.csr_matrix(np.array(rows, "i8").reshape(-1, 1)),
    "coo array": lambda rows: scipy.sparse.coo_array(np.array(rows, "i8").reshape(-1, 1)),
    "dict of arrays": lambda rows: {"a": np.array(rows), "b": torch.tensor(rows), "c": pd.Series(rows, index=rows)},
    "dict of dicts": lambda rows: {"a": {"b": rows}},
}

NOT_OF_ROWS: dict[str, Any] = {
    "nothing": None,
    "a number": 5,
    "a string as long as the rows": "ab",
    "bytes as long as the rows": b"ab",
    "a bytearray": bytearray(b"ab"),
    "a tuple": (1, 2),
    "a tuple of arrays": (np.array([1, 2]), np.array([3, 4])),
    "a set": {1, 2},
    "no dimension": np.array(1),
    "a tensor without a dimension": torch.tensor(1),
    "a row too few": np.array([1]),
    "a row too many": [1, 2, 3],
    "a frame too short": pd.DataFrame({"a": [1]}),
    "a frame of as many columns": pd.DataFrame([[1, 2]]),
    "a matrix of as many columns": scipy.sparse.csr_matrix([[1, 2]]),
    "an empty dict": {},
    "a dict of as many keys": {"a": 1, "b": 2},
    "a dict with a value for all": {"a": np.array([1, 2]), "b": 0.5},
    "a dict with a string": {"a": np.array([1, 2]), "b": "ab"},
    "a dict with a tuple": {"a": np.array([1, 2]), "b": (1, 2)},
    "a dict of other lengths": {"a": [1, 2], "b": [1]},
}


def answer(outputs: ModuleType, result: Any) -> bytes:
    return to_json(outputs.to_value(result))


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4))
@pytest.mark.parametrize("made", OF_ROWS.values(), ids=OF_ROWS.keys())
def test_each_entry_gets_what_the_model_makes_of_its_own_rows(
    outputs: ModuleType, made: Callable[[list[int]], Any], asked: list[int]
) -> None:
    rows = list(range(sum(asked)))
    pieces = outputs.split(made(rows), asked)
    own = [rows[sum(asked[:at]) : sum(asked[:at]) + count] for at, count in enumerate(asked)]
    assert [answer(outputs, piece) for piece in pieces] == [answer(outputs, made(part)) for part in own]


@pytest.mark.parametrize("result", NOT_OF_ROWS.values(), ids=NOT_OF_ROWS.keys())
def test_a_result_that_does_not_have_a_row_for_each_row_asked_is_not_cut(outputs: ModuleType, result: Any) -> None:
    assert outputs.split(result, [1, 1]) is None
