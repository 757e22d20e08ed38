"""One loaded MLflow model: values in, one answer for each entry out.

The entries of a batch share columns, dtypes and params; they come joined by rows, are predicted at once, and the result
goes back as it is where it can be cut by rows as they came, else cut here. Where joining fails, or the result has not
one row for each row asked, every entry is predicted alone, so no neighbour can spoil or take another's answer. Where
the model is known to answer row by row, an answer of other rows is a fault of its own. An answer in chunks is one
entry's alone. Nothing a model raises leaves this file.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Generator, Sequence, Union

import mlflow
import numpy as np

import outputs
import wire
from enforcement import direct, is_exact
from faults import fault
from inputs import given
from threads import Threads

# Where MLflow's wrappers keep the object of a class that the model's author wrote.
_WRITTEN = ("python_model", "chat_model", "chat_agent", "responses_agent")

Answer = Union[wire.Value, wire.Fault]
Streamed = Union[wire.Chunk, wire.Done, wire.Failed]


def versions() -> dict[str, str]:
    """What the model runs under."""
    return {"python": sys.version.split()[0], "mlflow": mlflow.__version__, "numpy": np.__version__}


class Model:
    """An MLflow model, loaded with `mlflow.pyfunc.load_model`; `row_by_row`: its promotion found it to answer so."""

    def __init__(self, pyfunc: Any, row_by_row: bool = False) -> None:
        self._pyfunc, self._row_by_row = pyfunc, row_by_row
        self._predict = direct(pyfunc)
        self._threads = Threads.of(sys.modules.get("torch"))

    def predict(self, values: tuple[wire.Value, ...], params: dict[str, Any]) -> wire.Answers:
        """One answer for each of `values`, in order, and the seconds the model took."""
        rows = [value.rows for value in values]
        with self._threads.sharing(sum(rows)) as took:
            answers = self._together(values, rows, params) if len(values) > 1 else None
            if answers is None:
                answers = tuple(self._alone(value, params) for value in values)
        return wire.Answers(answers, took.seconds)

    def predict_batch(self, batch: wire.Batch) -> Union[wire.Results, wire.Answers]:
        """The answers to entries that came joined, joined again where nothing speaks against it."""
        with self._threads.sharing(sum(batch.rows)) as took:
            answers = self._joined(batch)
            if answers is None:
                answers = tuple(self._alone(value, batch.params) for value in wire.cut(batch.value, batch.rows))
        joined = isinstance(answers, wire.Value)
        return wire.Results(answers, took.seconds) if joined else wire.Answers(answers, took.seconds)

    @property
    def streams(self) -> bool:
        """Whether the model has a `predict_stream`, other than those of MLflow's base classes, which only raise."""
        if getattr(self._pyfunc, "_predict_stream_fn", None) is None:
            return False
        written = [getattr(self._pyfunc._model_impl, name, None) for name in _WRITTEN]
        own = [getattr(getattr(one, "predict_stream", None), "__module__", "") for one in written]
        return "mlflow.pyfunc.model" not in own

    def stream(self, value: wire.Value, params: dict[str, Any]) -> Generator[Streamed, bool, None]:
        """A chunk as often as True is sent for another; then done or failed, the model's generator closed before."""
        try:
            with contextlib.closing(self._chunks(value, params)) as chunks:
                for chunk in chunks:
                    wanted = yield wire.Chunk(outputs.to_value(chunk))
                    if not wanted:
                        break
        except (Exception, SystemExit) as error:
            yield wire.Failed(fault(error))
        else:
            yield wire.Done()

    def _chunks(self, value: wire.Value, params: dict[str, Any]) -> Generator[Any, None, None]:
        data = given((value,), self._pyfunc.metadata)
        yield from self._pyfunc.predict_stream(data, params=params) if params else self._pyfunc.predict_stream(data)

    def _together(
        self, values: tuple[wire.Value, ...], rows: Sequence[int], params: dict[str, Any]
    ) -> Union[tuple[Answer, ...], None]:
        """The batch's answers, or None where it must be predicted one by one."""
        try:
            return _pieces(self._call(values, params), rows)
        except (Exception, SystemExit):
            return None

    def _joined(self, batch: wire.Batch) -> Union[wire.Value, tuple[Answer, ...], None]:
        """The batch's answers, in one piece where they can be, or None where it must be predicted one by one."""
        try:
            result = self._call((batch.value,), batch.params, batch.rows)
            joined = outputs.joined(result, sum(batch.rows))
            return joined if joined is not None else _pieces(result, batch.rows)
        except (Exception, SystemExit):
            return None

    def _alone(self, value: wire.Value, params: dict[str, Any]) -> Answer:
        try:
            answer = outputs.to_value(self._call((value,), params))
            if self._row_by_row and not params:  # with params, how many it gives is for the caller to say
                outputs.require_rows(answer, value)
            return answer
        except (Exception, SystemExit) as error:
            return fault(error)

    def _call(self, values: tuple[wire.Value, ...], params: dict[str, Any], rows: tuple[int, ...] = ()) -> Any:
        data = given(values, self._pyfunc.metadata, rows)
        if not params and self._predict is not None and is_exact(values[0]):
            return self._predict(data)
        return self._pyfunc.predict(data, params=params) if params else self._pyfunc.predict(data)


def _pieces(result: Any, rows: Sequence[int]) -> Union[tuple[Answer, ...], None]:
    pieces = outputs.split(result, list(rows))
    return tuple(outputs.to_value(piece) for piece in pieces) if pieces is not None else None
