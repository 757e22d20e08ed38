"""One loaded MLflow model: values in, one answer for each entry out.

The entries of a batch share columns, dtypes and params; they are joined by rows, predicted at once, and the
result is split again. Where joining fails, or the result has not one row for each row asked, every entry is
predicted alone, so no neighbour can spoil or take another's answer. Nothing a model raises leaves this file.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import Any, Union

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

import outputs
import wire

# How MLflow's own checks of a signature begin; any other exception is the model's.
_ENFORCEMENT = ("Failed to enforce schema", "Invalid input. Data is not compatible with model signature")

Answer = Union[wire.Value, wire.Fault]


def versions() -> dict[str, str]:
    """What the model runs under."""
    return {"python": sys.version.split()[0], "mlflow": mlflow.__version__, "numpy": np.__version__}


class Model:
    """An MLflow model loaded from `folder`."""

    def __init__(self, folder: str) -> None:
        self._pyfunc = mlflow.pyfunc.load_model(folder)

    def predict(self, values: tuple[wire.Value, ...], params: dict[str, Any]) -> wire.Answers:
        """One answer for each of `values`, in order, and the seconds the model took."""
        began = time.perf_counter()
        answers = self._together(values, params) if len(values) > 1 else None
        if answers is None:
            answers = tuple(self._alone(value, params) for value in values)
        return wire.Answers(answers, time.perf_counter() - began)

    def _together(self, values: tuple[wire.Value, ...], params: dict[str, Any]) -> tuple[Answer, ...] | None:
        """The batch's answers, or None where it must be predicted one by one."""
        try:
            result = self._call(joined(values), params)
            pieces = outputs.split(result, [value.rows for value in values])
            return tuple(outputs.to_value(piece) for piece in pieces) if pieces is not None else None
        except (Exception, SystemExit):
            return None

    def _alone(self, value: wire.Value, params: dict[str, Any]) -> Answer:
        try:
            return outputs.to_value(self._call(joined((value,)), params))
        except (Exception, SystemExit) as error:
            return fault(error)

    def _call(self, data: Any, params: dict[str, Any]) -> Any:
        return self._pyfunc.predict(data, params=params) if params else self._pyfunc.predict(data)


def fault(error: BaseException) -> wire.Fault:
    """The error as text: the caller's where MLflow refused the input, else the model's."""
    message = str(error)
    refused = isinstance(error, MlflowException) and message.startswith(_ENFORCEMENT)
    return wire.Fault("caller" if refused else "model", type(error).__name__, message, traceback.format_exc())


def joined(values: tuple[wire.Value, ...]) -> Any:
    """The array, dict of arrays, frame or plain value that the model is given for these entries."""
    first = values[0]
    if first.kind == "json":
        if len(values) > 1:
            raise ValueError("values of any JSON can't be joined")
        return json.loads(bytes(first.parts[0].data))
    pieces = [_stack([value.parts[at] for value in values]) for at in range(len(first.parts))]
    if first.kind == "array":
        return pieces[0]
    names = [part.name for part in first.parts]
    if first.kind == "arrays":
        return dict(zip(names, pieces))
    if all(name is None for name in names):
        return pd.DataFrame(dict(enumerate(pieces)))
    return pd.DataFrame(dict(zip(names, pieces)))


def _stack(parts: list[wire.Part]) -> np.ndarray:
    """The parts' rows one after another; always aligned and writable."""
    arrays = [_array(part) for part in parts]
    return np.require(arrays[0], requirements="A") if len(arrays) == 1 else np.concatenate(arrays)


def _array(part: wire.Part) -> np.ndarray:
    if part.dtype in (wire.JSON, wire.BASE64):
        return outputs.objects(json.loads(bytes(part.data)), part.dtype == wire.BASE64).reshape(part.shape)
    return np.frombuffer(part.data, dtype=part.dtype).reshape(part.shape)
