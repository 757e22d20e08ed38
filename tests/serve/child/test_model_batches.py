"""The child's `Model` given entries joined by rows: what it answers in one piece, and what one by one."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import (
    JSON,
    PREFIX,
    Answers,
    Batch,
    Fault,
    Part,
    Predict,
    Results,
    Value,
    cut,
    decode,
    encode,
    join,
)


class Pyfunc:
    """A loaded model that predicts with `predict`, which only MLflow may call; `asked` holds what it was given."""

    metadata = None

    def __init__(self, predict: Callable[..., Any]) -> None:
        self.asked: list[Any] = []
        self._answer = predict

    def predict(self, data: Any, **params: Any) -> Any:
        self.asked.append(data)
        return self._answer(data, **params)


def entry(*numbers: float) -> Value:
    return Value("array", (Part(None, "<f8", (len(numbers),), bytearray(np.array(numbers, "<f8").tobytes())),))


def batch(*values: Value, **params: Any) -> Batch:
    """The entries as they come out of the wire."""
    sent = encode(Batch(join(values), tuple(value.rows for value in values), params))
    header, body = bytes(sent[0])[PREFIX.size :], bytearray().join(map(bytes, sent[1:]))
    crossed = decode(header, body)
    assert isinstance(crossed, Batch)
    return crossed


ENTRIES = (entry(1.0), entry(2.0, 3.0), entry(4.0))
JOINED: dict[str, Callable[[Any], Any]] = {
    "an array": lambda data: data * 2,
    "a matrix": lambda data: np.stack([data, -data], axis=1),
    "whole numbers": lambda data: data.astype("i4"),
    "booleans": lambda data: data > 2,
    "dates": lambda data: data.astype("i8").astype("M8[D]"),
    "a dict of arrays": lambda data: {"a": data, "b": data > 2},
    "a frame": lambda data: pd.DataFrame({"a": data, "b": data.astype("i8")}),
    "a series": lambda data: pd.Series(data, index=data),
}
IN_PIECES: dict[str, Callable[[Any], Any]] = {
    "a list": lambda data: data.tolist(),
    "strings": lambda data: data.astype("U3"),
    "objects": lambda data: data.astype(object),
    "a masked array": lambda data: np.ma.array(data, mask=data > 2),
    "a frame with text": lambda data: pd.DataFrame({"a": data, "b": data.astype("U3")}),
    "a frame with nulls": lambda data: pd.DataFrame({"a": pd.array([one if one < 4 else None for one in data])}),
    "a frame without columns": lambda data: pd.DataFrame(index=range(len(data))),
    "a dict of lists": lambda data: {"a": data.tolist()},
    "complex numbers": lambda data: [abs(one) for one in data * 1j],
}
ONE_BY_ONE: dict[str, Callable[[Any], Any]] = {
    "one number for all": lambda data: float(data.sum()),
    "one row for all": lambda data: data.sum(keepdims=True) if len(data) > 2 else data,
    "a row too many": lambda data: np.append(data, 0.0) if len(data) > 2 else data,
    "a dict of other lengths": lambda data: {"a": data, "b": data[:1]},
    "a dict with one value for all": lambda data: {"a": data, "b": 5},
    "an empty dict": lambda data: {},
    "nothing": lambda data: None,
    "a tuple": lambda data: tuple(data),
    "no dimension": lambda data: np.array(5.0),
}


@pytest.mark.parametrize("name", JOINED)
def test_numbers_and_dates_with_a_row_for_each_row_asked_go_back_in_one_piece(model: ModuleType, name: str) -> None:
    pyfunc = Pyfunc(JOINED[name])
    found = model.Model(pyfunc).predict_batch(batch(*ENTRIES))
    assert isinstance(found, Results)
    assert len(pyfunc.asked) == 1
    assert found.seconds >= 0
    assert same(cut(found.value, (1, 2, 1)), [alone(model, JOINED[name], one) for one in ENTRIES])


@pytest.mark.parametrize("name", IN_PIECES)
def test_what_is_written_item_by_item_is_predicted_at_once_and_cut_here(model: ModuleType, name: str) -> None:
    pyfunc = Pyfunc(IN_PIECES[name])
    found = model.Model(pyfunc).predict_batch(batch(*ENTRIES))
    assert isinstance(found, Answers)
    assert len(pyfunc.asked) == 1
    assert same(found.answers, [alone(model, IN_PIECES[name], one) for one in ENTRIES])


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_where_results_have_not_a_row_for_each_row_every_entry_is_predicted_alone(model: ModuleType, name: str) -> None:
    pyfunc = Pyfunc(ONE_BY_ONE[name])
    found = model.Model(pyfunc).predict_batch(batch(*ENTRIES))
    assert isinstance(found, Answers)
    assert [one.tolist() for one in pyfunc.asked] == [[1, 2, 3, 4], [1], [2, 3], [4]]
    assert same(found.answers, [alone(model, ONE_BY_ONE[name], one) for one in ENTRIES])


@pytest.mark.parametrize("name", [*JOINED, *IN_PIECES, "a tuple"])
def test_a_row_for_each_row_in_whatever_form_is_what_a_model_that_answers_by_row_owes(
    model: ModuleType, name: str
) -> None:
    predict = {**JOINED, **IN_PIECES, **ONE_BY_ONE}[name]
    (found,) = model.Model(Pyfunc(predict), row_by_row=True).predict((ENTRIES[1],), {}).answers
    assert same([found], [alone(model, predict, ENTRIES[1])])


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("one number for all", "what has none"),
        ("a dict of other lengths", "what has none"),
        ("a dict with one value for all", "what has none"),
        ("an empty dict", "what has none"),
        ("nothing", "what has none"),
        ("no dimension", "what has none"),
        ("a row too many", "4"),
        ("one row for all", "1"),
    ],
)
def test_other_rows_are_a_fault_of_a_model_that_answers_by_row(model: ModuleType, name: str, given: str) -> None:
    one = model.Model(Pyfunc(ONE_BY_ONE[name]), row_by_row=True)
    (found,) = one.predict((entry(1.0, 2.0, 3.0),), {}).answers
    assert isinstance(found, Fault)
    assert (found.whose, found.kind, found.message) == ("answer", "WrongRows", f"3 rows with {given}")


def test_params_may_ask_for_other_rows(model: ModuleType) -> None:
    one = model.Model(Pyfunc(lambda data, params: data[: params["most"]]), row_by_row=True)
    assert same(one.predict((ENTRIES[1],), {"most": 1}).answers, [entry(2.0)])


@pytest.mark.parametrize("outcome", [ValueError, SystemExit])
def test_an_entry_on_which_the_model_raises_fails_alone(model: ModuleType, outcome: type[BaseException]) -> None:
    def predict(data: Any) -> Any:
        if (data == 4.0).any():
            raise outcome("no fours")
        return data

    *fine, failed = model.Model(Pyfunc(predict)).predict_batch(batch(*ENTRIES)).answers
    assert same(fine, ENTRIES[:2])
    assert isinstance(failed, Fault)
    assert (failed.whose, failed.kind, failed.message) == ("model", outcome.__name__, "no fours")


def test_all_of_a_batch_are_asked_with_its_params(model: ModuleType) -> None:
    found = model.Model(Pyfunc(lambda data, params: data * params["k"])).predict_batch(batch(*ENTRIES, k=3))
    assert same(cut(found.value, (1, 2, 1)), [entry(3.0), entry(6.0, 9.0), entry(12.0)])


def test_a_model_that_writes_to_what_it_is_given_does_it_to_its_own(model: ModuleType) -> None:
    def predict(data: Any) -> Any:
        data += 1
        return data

    found = model.Model(Pyfunc(predict)).predict_batch(batch(*ENTRIES))
    assert same(cut(found.value, (1, 2, 1)), [entry(2.0), entry(3.0, 4.0), entry(5.0)])


NUMBERS = np.array([1.0, 2.0], "<f8")
WRITTEN = {
    "an array": Value("array", (Part(None, "<f8", (2,), NUMBERS.tobytes()),)),
    "named arrays": Value("arrays", (Part("x", "<f8", (2,), NUMBERS.tobytes()),)),
    "a column": Value("frame", (Part("x", "<f8", (2,), NUMBERS.tobytes()),)),
    "a block of one column": Value("frame", (Part(None, "<f8", (2, 1), NUMBERS.tobytes(), ("x",)),)),
    "a block": Value("frame", (Part(None, "<f8", (2, 2), NUMBERS.repeat(2).tobytes(), ("x", "y")),)),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_each_entry_is_predicted_from_what_came_whatever_the_model_did_to_it_before_it_failed_on_the_batch(
    model: ModuleType, name: str
) -> None:
    def predict(data: Any) -> Any:
        if isinstance(data, pd.DataFrame):
            data.iloc[:, 0] += 10.0
        else:
            numbers = data if isinstance(data, np.ndarray) else data["x"]
            numbers += 10.0
        first = data.iloc[:, 0].to_numpy() if isinstance(data, pd.DataFrame) else numbers
        return first.copy() if len(first) == 2 else None

    found = model.Model(Pyfunc(predict)).predict_batch(batch(WRITTEN[name], WRITTEN[name]))
    assert same(found.answers, [entry(11.0, 12.0)] * 2)


def test_a_column_that_pandas_would_read_otherwise_together_is_predicted_entry_by_entry(model: ModuleType) -> None:
    def column(*items: Any) -> Value:
        return Value("frame", (Part("x", JSON, (len(items),), json.dumps(items).encode()),))

    pyfunc = Pyfunc(lambda data: [str(data["x"].dtype)] * len(data))
    found = model.Model(pyfunc).predict_batch(batch(column(1, 2), column(0.5)))
    assert [bytes(one.parts[0].data) for one in found.answers] == [b'["int64","int64"]', b'["float64"]']


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), min_size=2, max_size=4), st.data())
def test_whatever_comes_joined_is_answered_as_what_comes_apart(
    model: ModuleType, rows: list[list[int]], data: st.DataObject
) -> None:
    predict = data.draw(st.sampled_from([*JOINED.values(), *IN_PIECES.values(), *ONE_BY_ONE.values()]))
    values = tuple(entry(*map(float, one)) for one in rows)
    joined = model.Model(Pyfunc(predict)).predict_batch(batch(*values))
    apart = model.Model(Pyfunc(predict)).predict(Predict(values).values, {})
    pieces = cut(joined.value, [one.rows for one in values]) if isinstance(joined, Results) else joined.answers
    assert same(pieces, apart.answers)


def alone(model: ModuleType, predict: Callable[[Any], Any], value: Value) -> Any:
    (answer,) = model.Model(Pyfunc(predict)).predict((value,), {}).answers
    return answer


def same(found: Any, expected: Any) -> bool:
    return [said(one) for one in found] == [said(one) for one in expected]


def said(value: Value) -> Any:
    return value.kind, [(part.name, part.dtype, part.shape, bytes(part.data)) for part in value.parts]
