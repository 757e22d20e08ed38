"""Inference params against those the signature declares, by MLflow's own rules. Pure.

Source of the rules: mlflow/types/schema.py (`ParamSpec.validate_type_and_shape`) and mlflow/models/utils.py
(`_enforce_param_datatype`). MLflow passes over params it does not know; read strictly, they are refused.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serve.errors import InvalidInputs
from serve.signature import nested
from serve.signature.flaws import Flaws, Hopeless
from serve.signature.payload import json_word
from serve.signature.spec import ObjectType, Param, words

_TAKES: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "string": (str,),
    "boolean": (bool,),
    "binary": (),
    "datetime": (str,),
}


def bind(given: Any, declared: Sequence[Param], *, strict: bool = True) -> dict[str, Any]:
    """Every declared param with its given or default value, the given ones first, or `InvalidInputs`."""
    if given is None or not (declared or strict):
        given = {}
    if not isinstance(given, dict):
        raise Hopeless(f"params must be an object, not {json_word(given)}", "params")
    names = [param.name for param in declared]
    unknown = [name for name in given if name not in names]
    if unknown and strict:
        takes = f"it takes {', '.join(names)}" if names else "it takes none"
        raise InvalidInputs(f"the model has no param '{unknown[0]}'; {takes}", f"params.{unknown[0]}")
    flaws = Flaws()
    known = {param.name: param for param in declared}
    bound = {name: _param(known[name], value, flaws) for name, value in given.items() if name in known}
    flaws.refuse()
    return bound | {param.name: param.default for param in declared if param.name not in bound}


def _param(param: Param, value: Any, flaws: Flaws) -> Any:
    place = f"params.{param.name}"
    if isinstance(param.type, ObjectType) and param.shape is None:
        nested.check(value, param.type, place, flaws)
        return value
    if param.shape is None:
        return _scalar(param, value, place, flaws)
    if not isinstance(value, list):
        flaws.add(place, f"must be a list, not {json_word(value)}", hopeless=True)
        return value
    return [_scalar(param, item, f"{place}[{at}]", flaws) for at, item in enumerate(value)]


def _scalar(param: Param, value: Any, place: str, flaws: Flaws) -> Any:
    """One value, cast where that is safe; null stands for none, whatever the type."""
    takes = _TAKES.get(param.type, ()) if isinstance(param.type, str) else ()
    if value is None:
        return None
    if type(value) not in takes or (param.type == "datetime" and not _is_date(value)):
        flaws.add(place, f"must be of type {words(param.type)}, not {json_word(value)}", hopeless=True)
        return value
    try:
        return float(value) if param.type in ("float", "double") else value
    except OverflowError:
        flaws.add(place, f"is a number outside the range of {words(param.type)}", hopeless=True)
        return value


def _is_date(value: str) -> bool:
    """Whether numpy reads it as a date of at most microseconds, as MLflow asks it to."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of time zones, which it leaves out
            return not isinstance(np.datetime64(value).item(), int)
    except ValueError:
        return False
