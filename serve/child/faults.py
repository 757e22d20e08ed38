"""An error raised while predicting → whose it is, and what may be said of it.

MLflow's refusals repeat the caller's data, so only what names columns, shapes and types is taken from them.
"""

from __future__ import annotations

import re
import traceback

from mlflow.exceptions import MlflowException

import wire
from inputs import Unreadable
from outputs import WrongRows
from plain import TooLarge

# How MLflow's own checks of inputs and params begin; any other exception is the model's.
_ENFORCEMENT = (
    "Failed to enforce schema",
    "Failed to enforce model input schema",
    "Failed to validate data against type hint",
    "Failed to convert data to",
    "Invalid parameters found",
    "'predict_stream' requires single input",
)

# Where MLflow raises for inputs that are not what the model's type hints say.
_TYPE_HINTS = ("mlflow.types.type_hints", "mlflow.pyfunc.utils.data_validation")

_TELLING = [
    re.compile(pattern)
    for pattern in (
        r"Model is missing inputs \[[^\]]*\]",
        r"Model inference is missing inputs",
        r"Can not safely convert [\w\[\]<>]+ to [\w\[\]<>]+",
        r"Shape of input \([^)]*\) does not match expected shape \([^)]*\)",
        r"dtype of input [\w\[\]<>]+ does not match expected dtype [\w\[\]<>]+",
        r"Missing required properties: \{[^}]*\}",
        r"Expected data to be (?:a )?[a-z ]+, got \w+",
        r"Failed to convert column [^.]{1,80} from type [\w\[\]<>]+ to [\w\[\]<>]+",
        r"'predict_stream' requires single input",
        r"the model's environment has no library that reads [\w./-]+",
        r"The length of values for each input/column name are not the same",
    )
]


def fault(error: BaseException) -> wire.Fault:
    """The error as text: the caller's where MLflow refused the input, else the model's."""
    message = str(error)
    if isinstance(error, (TooLarge, WrongRows)):
        return wire.Fault("answer", type(error).__name__, message)
    if isinstance(error, Unreadable) or (isinstance(error, MlflowException) and _is_refusal(error, message)):
        return wire.Fault("caller", type(error).__name__, _sentence(message))
    return wire.Fault("model", type(error).__name__, message, traceback.format_exc())


def _is_refusal(error: MlflowException, message: str) -> bool:
    raised_in = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return message.startswith(_ENFORCEMENT) or raised_in[-1] in _TYPE_HINTS


def _sentence(message: str) -> str:
    found = next((match[0] for match in (one.search(message) for one in _TELLING) if match), None)
    return "MLflow refused the inputs: " + (found or "they do not fit the model's signature; see /models")
