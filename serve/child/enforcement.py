"""Where MLflow's schema enforcement has nothing left to do, the model is called without it.

The server has checked a request against the signature and cast it already. For numbers and booleans enforcement
then gives back what it was given, and takes a millisecond or more to find out. Whatever else it might do (fill in
params, read type hints, convert text or dates) goes through `PyFuncModel.predict`, as does every model of an MLflow
that is not built as those known here.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Optional

import wire


def direct(pyfunc: Any) -> Optional[Callable[[Any], Any]]:
    """The model's own predict, called as `PyFuncModel.predict` would after enforcement; None where it can't be.

    Source: mlflow/pyfunc/__init__.py (`PyFuncModel.predict`, `_predict`), the same since 2.0 but for what is refused
    here.
    """
    predict, metadata = getattr(pyfunc, "_predict_fn", None), getattr(pyfunc, "metadata", None)
    if predict is None or metadata is None or _does_more(metadata):
        return None
    try:
        takes = inspect.signature(predict).parameters.get("params")
    except (TypeError, ValueError):
        return None
    if takes is None or takes.kind is inspect.Parameter.VAR_KEYWORD:
        return lambda data: predict(data)
    return lambda data: predict(data, params=None)


def _does_more(metadata: Any) -> bool:
    asked = ("_is_signature_from_type_hint", "_is_type_hint_from_example", "get_params_schema")
    declared = getattr(metadata, "metadata", None) or {}
    return any(getattr(metadata, name, bool)() for name in asked) or "dependencies_schemas" in declared


def is_exact(value: wire.Value) -> bool:
    """Whether enforcement would leave it as it is: numbers and booleans, of the dtypes the server gave them."""
    return value.kind in ("array", "arrays", "frame") and all(part.dtype[1] in "fiubc" for part in value.parts)
