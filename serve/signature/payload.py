"""The outer shape of an MLflow request body, before any signature: which form, which value, which params.

Source: mlflow/pyfunc/scoring_server (`inputs`, `instances`, `dataframe_split`, `dataframe_records`, `params`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serve.errors import MalformedRequest

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")


@dataclass(frozen=True, slots=True)
class Payload:
    """One request's data as it came: `form` is one of `FORMS`."""

    form: str
    value: Any
    params: Mapping[str, Any] = field(default_factory=dict)


def parse(body: Any) -> Payload:
    """The payload in a decoded JSON body, or `MalformedRequest`."""
    wanted = f"exactly one of {', '.join(FORMS)}"
    if not isinstance(body, dict):
        raise MalformedRequest(f"the body must be a JSON object with {wanted}, not {json_word(body)}")
    forms = [form for form in FORMS if form in body]
    if len(forms) != 1:
        found = " and ".join(forms) if forms else "none of them"
        raise MalformedRequest(f"the body must hold {wanted}; it holds {found}")
    unknown = [key for key in body if key not in FORMS and key != "params"]
    if unknown:
        raise MalformedRequest(f"unknown key '{unknown[0]}' in the body; beside the data only params may stand")
    params = body.get("params")
    if params is not None and not isinstance(params, dict):
        raise MalformedRequest(f"params must be a JSON object, not {json_word(params)}")
    return Payload(forms[0], body[forms[0]], params or {})


def json_word(value: Any) -> str:
    """How to call a JSON value in a sentence, without repeating the value."""
    words = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return words.get(type(value), "a number")
