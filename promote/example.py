"""A model's input example as the body of a request to /predict: what the rehearsal asks, and golden.json keeps.

MLflow writes such a body beside the example since 2.14; before, the example alone, from which it is made here.
It is read as the server would read it: strict JSON, what is not a number being null. Pure.
"""

import json
from collections.abc import Mapping
from typing import Any

import orjson

MOST_BYTES = 32 * 2**20


def file(mlmodel: Mapping[str, Any]) -> str:
    """Where below the model's folder its example is; '' where it has none."""
    info = _info(mlmodel)
    return str(info.get("serving_input_path") or info.get("artifact_path") or "")


def body(mlmodel: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """The request in the content of that file; ValueError where it holds none."""
    # First Python's reader, which takes the NaN that MLflow writes; then the server's own.
    document = orjson.loads(json.dumps(json.loads(text, parse_constant=lambda _: None)))
    info = _info(mlmodel)
    if not info.get("serving_input_path") and info.get("type") == "dataframe":
        document = {"dataframe_split": document}
    if not isinstance(document, dict):
        raise ValueError("it is no request body, but a list or a value")
    return document


def _info(mlmodel: Mapping[str, Any]) -> Mapping[str, Any]:
    info = mlmodel.get("saved_input_example_info")
    return info if isinstance(info, dict) else {}
