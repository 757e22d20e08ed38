"""Reads parts back as a worker would, so that tests can say what a model is given."""

import json
from typing import Any

import numpy as np

from serve.child.wire import BASE64, JSON, Part, Value


def array(part: Part) -> np.ndarray[Any, Any]:
    return np.frombuffer(part.data, dtype=part.dtype).reshape(part.shape)


def items(part: Part) -> list[Any]:
    """The part's items as Python values."""
    if part.dtype in (JSON, BASE64):
        found: list[Any] = json.loads(bytes(part.data))
        return found
    listed: list[Any] = array(part).tolist()
    return listed


def columns(value: Value) -> dict[Any, list[Any]]:
    assert value.kind == "frame"
    return {part.name: items(part) for part in value.parts}
