"""The operations that tell of releases: what was pinned when, and what each changed. Pure."""

from serve.front.openapi.types import Schema, Schemas, array, nullable, record, ref
from serve.front.status import PROBLEM_TYPE

_TEXT: Schema = {"type": "string"}
_YES: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": ["number", "null"]}
_BOTH: Schema = {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2, "description": "Before and after."}
_CHANGE: Schema = {"enum": ["added", "removed", "changed", "kept"]}

SCHEMAS: Schemas = {
    "History": record({"releases": array(ref("PastRelease")), "more": _YES})
    | {"description": "The commits that changed models.dvc, the newest first."},
    "PastRelease": record(
        {
            "revision": _TEXT,
            "date": _TEXT,
            "author": _TEXT,
            "subject": _TEXT,
            "readable": _YES,
            "live": _YES,
            "models": {"type": "object", "additionalProperties": ref("PastModel")},
            "removed": array(_TEXT),
        }
    ),
    "PastModel": record(
        {
            "digest": _TEXT,
            "run": _TEXT,
            "metrics": {"type": "object", "additionalProperties": _NUMBER},
            "change": _CHANGE,
        }
    ),
    "Changes": record(
        {
            "revision": _TEXT,
            "before": {"type": ["string", "null"]},
            "models": {"type": "object", "additionalProperties": ref("ModelChange")},
            "breaking": _YES,
            "unknown": _TEXT,
        }
    )
    | {"description": "What a release changed. `unknown` says why `facts` are missing where they should be there."},
    "ModelChange": record(
        {
            "name": _TEXT,
            "change": _CHANGE,
            "digest": _BOTH,
            "run": _BOTH,
            "metrics": array(record({"name": _TEXT, "before": _NUMBER, "after": _NUMBER})),
            "facts": nullable(ref("ChangedFacts")),
            "breaking": _YES,
        }
    ),
    "ChangedFacts": record(
        {
            "python": _BOTH,
            "packages": array(record({"name": _TEXT, "before": nullable(_TEXT), "after": nullable(_TEXT)})),
            "signature": array(ref("ChangedField")),
            "golden": record(
                {
                    "before": {"type": "integer"},
                    "after": {"type": "integer"},
                    "shared": {"type": "integer"},
                    "differ": array(_TEXT),
                }
            ),
        }
    ),
    "ChangedField": record({"place": _TEXT, "name": _TEXT, "before": _TEXT, "after": _TEXT, "breaking": _YES})
    | {"description": "An input, output or param; '' where it is not there. Breaking: callers may have to change."},
}


def history() -> Schema:
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}}
    told = {"200": _json("The newest first", "History"), "400": _problem("No such limit")}
    return _get("history", "What was released when", told, limit)


def changes() -> Schema:
    name = {"name": "revision", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    told = {"200": _json("Against the release before it", "Changes"), "404": _problem("No such release")}
    return _get("changes", "What a release changed", told, name)


def _get(operation: str, summary: str, responses: Schema, parameter: Schema) -> Schema:
    told = {"operationId": operation, "summary": summary, "tags": ["release"], "parameters": [parameter]}
    return {"get": {**told, "responses": responses}}


def _json(told: str, name: str) -> Schema:
    return {"description": told, "content": {"application/json": {"schema": ref(name)}}}


def _problem(told: str) -> Schema:
    return {"description": told, "content": {PROBLEM_TYPE: {"schema": ref("Problem")}}}
