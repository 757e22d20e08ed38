"""The models that cases are sent to: a probe of any signature; and some whose signature comes from a type hint.

Of the latter there is one a hint, made once: its own `predict` says what Python values it takes, and describes them.
Runs under any interpreter that has mlflow, as `oracle` does.
"""

import datetime
import functools
import warnings
from typing import Any

import pydantic
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.pyfunc import PyFuncModel, PythonModel
from mlflow.pyfunc.model import _PythonModelPyfuncWrapper
from mlflow.types.type_hints import _infer_schema_from_list_type_hint

from tests.differential import oracle


class Message(pydantic.BaseModel):
    role: str
    content: str | None = None


class Point(pydantic.BaseModel):
    at: datetime.datetime
    x: float
    tags: list[str] = []
    near: Message | None = None


def _list(of: str | dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": of} if isinstance(of, str) else of}


def _fields(**kinds: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind, "required": True} for name, kind in kinds.items()}}


# A hint, and the type of MLflow's that fits it.
HINTS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (list[int], _list("long")),
    (list[float], _list("double")),
    (list[str], _list("string")),
    (list[bool], _list("boolean")),
    (list[bytes], _list("binary")),
    (list[datetime.datetime], _list("datetime")),
    (list[list[int]], _list(_list("long"))),
    (list[dict[str, float]], _list({"type": "map", "values": {"type": "double"}})),
    (list[dict[str, Any]], _list({"type": "map", "values": {"type": "any"}})),
    (list[Any], _list("any")),
    (list[Message], _list(_fields(role="string", content="string"))),
    (list[Point], _list(_fields(at="datetime", x="double"))),
)


def pyfunc(recorded: dict[str, Any], hint: int | None, probe: str) -> PyFuncModel:
    """A probe with this signature, or with that of a hint."""
    return oracle.probe(recorded, probe) if hint is None else _hinted(hint)


@functools.cache
def _hinted(which: int) -> PyFuncModel:
    hint = HINTS[which][0]

    def predict(self: Any, model_input: Any, params: Any = None) -> str:
        self.calls += 1
        return oracle.whole(model_input, params)

    predict.__annotations__ = {"model_input": hint}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        python_model = type("Typed", (PythonModel,), {"predict": predict, "calls": 0})()
        signature = ModelSignature(inputs=_infer_schema_from_list_type_hint(hint))
    signature._is_signature_from_type_hint = True
    return PyFuncModel(Model(signature=signature), _PythonModelPyfuncWrapper(python_model, None, signature))
