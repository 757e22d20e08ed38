"""What every answer of a model says of it, and the answers in place of one: by status, in each dialect's shape. Pure.

The refusals are made of the one table of statuses, and of the errors' own docstrings.
"""

from collections.abc import Iterable, Iterator

from serve.errors import (
    Forbidden,
    MethodNotAllowed,
    ModelNotFound,
    NotAcceptable,
    NotReady,
    ReleaseNotFound,
    RouteNotFound,
    ServeError,
    TargetTooLong,
    TooManyConnections,
    Unauthenticated,
    VersionNotFound,
)
from serve.front.openapi.types import Schema, Schemas, array, record, ref
from serve.front.status import PROBLEM_TYPE, RETRY_AFTER_SECONDS, STATUS

_GATE: dict[type[ServeError], int] = {kind: STATUS[kind] for kind in (Unauthenticated, Forbidden)}
_ELSEWHERE = (
    MethodNotAllowed,
    ReleaseNotFound,
    RouteNotFound,
    TargetTooLong,
    TooManyConnections,
)  # no answers of an operation that is described
_HERE = {kind: code for kind, code in STATUS.items() if kind not in (*_GATE, *_ELSEWHERE)}

_TEXT: Schema = {"type": "string"}

SCHEMAS: Schemas = {
    "Problem": record(
        {"title": _TEXT, "status": {"type": "integer"}, "code": _TEXT, "detail": _TEXT},
        errors=array(ref("Flaw")),
        request_id=_TEXT,
    )
    | {"description": "Why there is no prediction (RFC 9457). `code` is stable; `detail` is a sentence for a person."},
    "Flaw": record({"place": _TEXT, "detail": _TEXT})
    | {"description": "One thing wrong with the inputs, and its place in the body, as in `inputs[3].age`."},
    "MlflowError": record({"error_code": _TEXT, "message": _TEXT}, error_class=_TEXT, sqlstate=_TEXT)
    | {"description": "Why there is no prediction, as MLflow's scoring server tells it."},
    "InferenceError": record({"error": _TEXT})
    | {"description": "Why there is no answer, as the Open Inference Protocol tells it."},
}

LINEAGE = {
    name: {"schema": _TEXT, "description": meaning}
    for name, meaning in {
        "X-Model-Name": "The model that answered.",
        "X-Model-Digest": "The SHA-256 tree digest of its bytes.",
        "X-Model-Revision": "The git commit that pinned it.",
        "X-Model-Run": "The MLflow run that made it.",
        "X-Request-Id": "What the request is called, in the log too: as the caller said, or a new id.",
    }.items()
}


def problems() -> Schema:
    """Those of our own routes."""
    return _by_status(_HERE, {PROBLEM_TYPE: {"schema": ref("Problem")}})


def of_mlflow() -> Schema:
    """Those of MLflow's routes: what does not fit is 400 there, and content that is not read is told as text."""
    told = {kind: 400 if code == 422 else code for kind, code in _HERE.items()}
    found = _by_status(told, {"application/json": {"schema": ref("MlflowError")}})
    found["415"] = {**found["415"], "content": {"text/plain": {"schema": _TEXT}}}
    return found


def of_open_inference(*, predicts: bool) -> Schema:
    """Those of the Open Inference Protocol, where what does not fit is 400 too; of an answer, or of telling alone."""
    told = {kind: 400 if code == 422 else code for kind, code in _HERE.items() if kind is not NotAcceptable}
    if not predicts:
        told = {kind: code for kind, code in told.items() if kind in (ModelNotFound, VersionNotFound, NotReady)}
    return _by_status(told, {"application/json": {"schema": ref("InferenceError")}})


def of_gate(route: str) -> Schema:
    """Those to a caller who is not let in, in the shape of the route's dialect."""
    if route.startswith("/v2"):
        return _by_status(_GATE, {"application/json": {"schema": ref("InferenceError")}})
    if route.endswith("/invocations"):
        return _by_status(_GATE, {"application/json": {"schema": ref("MlflowError")}})
    return _by_status(_GATE, {PROBLEM_TYPE: {"schema": ref("Problem")}})


def _by_status(table: dict[type[ServeError], int], content: Schema) -> Schema:
    codes = sorted(set(table.values()))
    kinds = {code: [kind for kind, its in table.items() if its == code] for code in codes}
    return {str(code): {**_again(code), "description": _told(kinds[code]), "content": content} for code in codes}


def _told(kinds: Iterable[type[ServeError]]) -> str:
    """The errors' own docstrings: their first lines, and those of the kinds below them that have their status."""
    return " ".join((one.__doc__ or one.code).split("\n")[0] for kind in kinds for one in _family(kind))


def _family(kind: type[ServeError]) -> Iterator[type[ServeError]]:
    yield kind
    for one in kind.__subclasses__():
        if one not in STATUS:
            yield from _family(one)


def _again(code: int) -> Schema:
    if code not in RETRY_AFTER_SECONDS:
        return {}
    told = "After how many seconds to try again: as long as the queue will take, where it is for that."
    return {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": told}}}
