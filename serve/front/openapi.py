"""The part of /openapi.json that describes `/predict`, with the live models' own golden requests as examples."""

from collections.abc import Mapping
from typing import Any

from serve.front.status import PROBLEM_TYPE
from serve.rollout import Deployed
from serve.signature.payload import FORMS

_PARAMS = {"type": "object", "description": "The model's params by name; those left out take their defaults."}

_REQUEST = {
    "type": "object",
    "description": f"Exactly one of {', '.join(FORMS)}, and params where the model takes some.",
    "properties": {**{form: {} for form in FORMS}, "params": _PARAMS},
    "oneOf": [{"required": [form]} for form in FORMS],
    "additionalProperties": False,
}

_ANSWER = {"type": "object", "required": ["predictions"], "properties": {"predictions": {}}}

_PROBLEM = {
    "type": "object",
    "required": ["title", "status", "code", "detail"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}

_LINEAGE = {
    name: {"schema": {"type": "string"}, "description": meaning}
    for name, meaning in {
        "X-Model-Name": "The model that answered.",
        "X-Model-Digest": "The SHA-256 tree digest of its bytes.",
        "X-Model-Revision": "The git commit that pinned it.",
        "X-Model-Run": "The MLflow run that made it.",
    }.items()
}

_REFUSALS = {
    "400": "The body is no request",
    "404": "No such model is live",
    "413": "Too large",
    "415": "Not JSON",
    "422": "The request does not fit the model's signature",
    "429": "The queue is full",
    "500": "The model failed",
    "503": "No worker is ready",
    "504": "No answer in time",
}


def predict_paths(models: Mapping[str, Deployed]) -> dict[str, Any]:
    """The OpenAPI path items of `/predict` (the only or default model) and of each live model."""
    paths = {"/predict": _path("predict", "Predict with the only, or the default, model", _examples(models))}
    for name, one in models.items():
        item = _path(f"predict_{name}", f"Predict with {name}", _examples({name: one}))
        paths[f"/models/{name}/predict"] = item
    return paths


def _path(operation: str, summary: str, examples: Mapping[str, Any]) -> dict[str, Any]:
    request = {"application/json": {"schema": _REQUEST, "examples": examples}}
    answer = {"application/json": {"schema": _ANSWER}}
    refusals = {
        code: {"description": told, "content": {PROBLEM_TYPE: {"schema": _PROBLEM}}} for code, told in _REFUSALS.items()
    }
    return {
        "post": {
            "operationId": operation,
            "summary": summary,
            "requestBody": {"required": True, "content": request},
            "responses": {
                "200": {"description": "The predictions", "headers": _LINEAGE, "content": answer},
                **refusals,
            },
        }
    }


def _examples(models: Mapping[str, Deployed]) -> dict[str, Any]:
    return {
        name: {"summary": f"{name}'s own input example", "value": one.snapshot.golden.cases[0]["request"]}
        for name, one in models.items()
        if one.snapshot.golden.cases
    }
