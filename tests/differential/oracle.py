"""MLflow's side: a body through its own `scoring_server.invocations`, in-process → its verdict and predictions.

The model behind it is a probe that answers with a full description of what it received, so that equal predictions
mean equal inputs. Runs under any interpreter that has mlflow: it knows nothing of Pinion, nor of the generators.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel, scoring_server

SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"  # what MLflow's server sets, and what its type hints look at

logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # it warns of every column it leaves out


@dataclass(frozen=True)
class Verdict:
    """Whether a body was taken; then the predictions as JSON, else the reason (for people, never compared).

    `reached`: the model was asked at all, so that a failure may be its own.
    """

    accepted: bool
    predictions: Any = None
    reason: str = ""
    reached: bool = False


class Probe:
    """A model that tells what it received, in one of the ways below; `calls` is how often it was asked."""

    def __init__(self, kind: str) -> None:
        self.calls, self._answer = 0, ANSWERS[kind]

    def predict(self, model_input: Any, params: Any = None) -> Any:
        self.calls += 1
        return self._answer(model_input, params)


def whole(model_input: Any, params: Any) -> str:
    """All of it, described in one string."""
    return json.dumps({"data": described(model_input), "params": _params(params)})


def echo(model_input: Any, params: Any) -> Any:
    """The input itself."""
    return model_input


def rows(model_input: Any, params: Any) -> list[str]:
    """For batches: a string a row, saying all that one row can know of the whole."""
    told = _params(params)
    return [json.dumps({"data": row, "params": told}) for row in rows_of(model_input)]


ANSWERS: dict[str, Callable[[Any, Any], Any]] = {"whole": whole, "echo": echo, "rows": rows}


def probe(recorded: dict[str, Any], kind: str) -> PyFuncModel:
    """A pyfunc with this signature, as an `MLmodel` file records it, and a probe behind it."""
    return PyFuncModel(Model.from_dict({**recorded, "flavors": {}}), Probe(kind))


def calls(model: PyFuncModel) -> int:
    """How often the probe behind a pyfunc was asked."""
    inner = model._model_impl
    return int(getattr(inner, "python_model", inner).calls)


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """As in a process that serves: MLflow knows that it does, and warnings are nobody's errors."""
    os.environ[SERVING] = "true"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        del os.environ[SERVING]


def ask(model: PyFuncModel, body: bytes, content_type: str) -> Verdict:
    """What MLflow's scoring server says to this body. Whatever it raises is a refusal, as over HTTP."""
    before = calls(model)
    try:
        with serving():
            answer = scoring_server.invocations(body, content_type, model, model.metadata.get_input_schema())
    except Exception as error:
        return Verdict(False, reason=f"{type(error).__name__}: {error}", reached=calls(model) > before)
    if answer.status != 200:
        return Verdict(False, reason=answer.response)
    return Verdict(True, json.loads(answer.response), reached=True)


def described(value: Any) -> Any:
    """All there is to know of a value, as JSON: types, dtypes, shapes, order, index, items."""
    if isinstance(value, pd.DataFrame):
        columns = [[described(name), _dtype(value.dtypes.iloc[at])] for at, name in enumerate(value.columns)]
        cells = [[described(cell) for cell in value.iloc[:, at].tolist()] for at in range(value.shape[1])]
        return {"frame": columns, "names": _index(value.columns), "index": _index(value.index), "cells": cells}
    if isinstance(value, np.ndarray):
        items = [described(item) for item in value.ravel().tolist()]
        return {"array": _dtype(value.dtype), "shape": list(value.shape), "items": items}
    if isinstance(value, dict):
        return {"dict": [[described(key), described(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [described(item) for item in value]}
    return f"{type(value).__module__}.{type(value).__qualname__} {value!r}"


def rows_of(value: Any) -> list[Any]:
    """One description a row: its cells, and of the whole what does not depend on the other rows."""
    if isinstance(value, pd.DataFrame):
        columns = [[described(name), _dtype(value.dtypes.iloc[at])] for at, name in enumerate(value.columns)]
        ranged = isinstance(value.index, pd.RangeIndex)
        cells = zip(*(value.iloc[:, at].tolist() for at in range(value.shape[1])), strict=True)
        return [{"frame": columns, "ranged": ranged, "cells": [described(cell) for cell in row]} for row in cells]
    if isinstance(value, np.ndarray) and value.ndim:
        return [described(row) for row in value]
    if isinstance(value, dict) and value and all(isinstance(item, np.ndarray) and item.ndim for item in value.values()):
        return [dict(zip(value, map(described, row), strict=True)) for row in zip(*value.values(), strict=False)]
    return [described(value)]


def _params(params: Any) -> Any:
    return "none" if params is None else [[name, described(value)] for name, value in params.items()]


def _dtype(dtype: Any) -> str:
    return f"{dtype!r} {getattr(dtype, 'storage', '')}".strip()


def _index(index: Any) -> Any:
    return [type(index).__name__, _dtype(index.dtype), described(index.name), [described(item) for item in index]]
