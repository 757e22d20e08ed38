"""The outer shape of an MLflow request body, before any signature: which form, which value, which params.

Source: mlflow/pyfunc/scoring_server (`inputs`, `instances`, `dataframe_split`, `dataframe_records`, `params`) and
mlflow/pyfunc/utils/serving_data_parser.py (chat, completion and embedding bodies, which have no such key).
"""

from dataclasses import dataclass, field
from typing import Any

from serve.errors import MalformedRequest

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
UNIFIED = "unified"  # the form of a whole body with one of these keys, answered without `predictions` around it
UNIFIED_KEYS = ("messages", "prompt", "input")


@dataclass(frozen=True, slots=True)
class Payload:
    """One request's data as it came: `form` is one of `FORMS`, or `UNIFIED`; `body` the JSON it was read from."""

    form: str
    value: Any
    params: Any = field(default_factory=dict)
    body: bytes = b""


def parse(document: Any, body: bytes = b"") -> Payload:
    """The payload in a decoded JSON body, or `MalformedRequest`; nothing else may stand in it."""
    payload = parse_leniently(document, body)
    if payload.form == UNIFIED:
        return payload
    unknown = [key for key in document if key not in FORMS and key != "params"]
    if unknown:
        raise MalformedRequest(f"unknown key '{unknown[0]}' in the body; beside the data only params may stand")
    if payload.params is not None and not isinstance(payload.params, dict):
        raise MalformedRequest(f"params must be a JSON object, not {json_word(payload.params)}")
    return payload


def parse_leniently(document: Any, body: bytes = b"") -> Payload:
    """The same as MLflow takes it: keys that it does not know are passed over, and so are params that are none."""
    wanted = f"exactly one of {', '.join(FORMS)}"
    if not isinstance(document, dict):
        raise MalformedRequest(f"the body must be a JSON object with {wanted}, not {json_word(document)}")
    if any(key in document for key in UNIFIED_KEYS):
        return Payload(UNIFIED, document, body=body)
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        found = " and ".join(forms) if forms else "none of them"
        raise MalformedRequest(f"the body must hold {wanted}; it holds {found}")
    return Payload(forms[0], document[forms[0]], document.get("params"), body)


_WORDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
    bytes: "bytes",
}


def json_word(value: Any) -> str:
    """How to call a value in a sentence, without repeating it."""
    return _WORDS.get(type(value), f"a {type(value).__name__}")
