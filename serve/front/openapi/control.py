"""The operations that ask nothing of a model: what is live, health, metrics, and MLflow's small routes. Pure."""

from serve.front.openapi.types import Schema, Schemas, array, nullable, record, ref

_TEXT: Schema = {"type": "string"}
_DIGESTS: Schema = {"type": ["object", "null"], "additionalProperties": _TEXT, "description": "Digests by model."}
_HELD: Schema = {**_DIGESTS, "description": "Those of the release before, while it can be fallen back to."}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer"}, "description": "-1 is any length."}
_TAG = "release"


SCHEMAS: Schemas = {
    "Models": record(
        {
            "models": {"type": "object", "additionalProperties": ref("Model")},
            "desired": _DIGESTS,
            "live": _DIGESTS,
            "held": _HELD,
            "release": nullable(ref("Release")),
            "failure": nullable(ref("Failure")),
        }
    ),
    "Release": record({"commit": _TEXT, "date": _TEXT, "signer": _TEXT, "older_than_previous": {"type": "boolean"}})
    | {"description": "The commit that the live release is from, where git has one, and its signer, where asked."},
    "Model": record(
        {
            "name": _TEXT,
            "state": _TEXT,
            "digest": _TEXT,
            "revision": _TEXT,
            "run": _TEXT,
            "metrics": {"type": "object", "additionalProperties": {"type": ["number", "null"]}},
            "since": _TEXT,
            "signature": ref("Signature"),
            "batchable": {"type": "boolean"},
            "python": _TEXT,
            "sandbox": ref("Sandbox"),
            "workers": array(ref("Worker")),
        }
    ),
    "Sandbox": record(
        {
            "policy": _TEXT,
            "landlock": {"type": "integer"},
            "seccomp": {"type": "boolean"},
            "namespaces": array(_TEXT),
            "network": {"enum": ["none", "granted", "open"]},
            "open": array(_TEXT),
        }
    )
    | {"description": "What confines the model's processes; `open` says what does not."},
    "Worker": record(
        {"state": _TEXT, "pid": {"type": ["integer", "null"]}},
        python=_TEXT,
        mlflow=_TEXT,
        numpy=_TEXT,
        streams={"type": "boolean"},
    )
    | {"description": "One process of a model; once it is ready, what it runs under."},
    "Signature": record(
        {
            "inputs": array(ref("SignatureField")),
            "outputs": array(ref("SignatureField")),
            "params": array(ref("SignatureParam")),
        }
    ),
    "SignatureField": record(
        {"name": {"type": ["string", "null"]}, "type": _TEXT}, required={"type": "boolean"}, dtype=_TEXT, shape=_SHAPE
    )
    | {"description": "A column, or a tensor, which has a dtype and a shape."},
    "SignatureParam": record({"name": _TEXT, "type": _TEXT, "default": {}, "shape": nullable(_SHAPE)}),
    "Readiness": record(
        {
            "ready": {"type": "boolean"},
            "stopping": {"type": "boolean"},
        },
        models={"type": "object", "additionalProperties": ref("ModelReadiness")},
        failure=nullable(ref("Failure")),
    )
    | {"description": "Where a key is needed to be told more, only whether requests are to be sent here."},
    "ModelReadiness": record(
        {"ready": {"type": "integer"}, "workers": {"type": "integer"}, "reason": {"type": ["string", "null"]}}
    )
    | {"description": "How many of a model's workers can answer; where none can, why."},
    "Failure": record({"code": _TEXT, "message": _TEXT, "at": _TEXT})
    | {"description": "Why what git desires is not live."},
    "Liveness": record({"live": {"type": "boolean"}}),
    "Rollouts": record({"attempts": array(ref("Attempt")), "doing": nullable(ref("Doing"))})
    | {"description": "What was tried to make releases live, the newest last, and what is being done now."},
    "Attempt": record(
        {
            "began": _TEXT,
            "models": {"type": "object", "additionalProperties": _TEXT, "description": "Digests by model."},
            "revision": _TEXT,
            "steps": array(record({"step": _TEXT, "seconds": {"type": "number"}})),
            "outcome": _TEXT,
            "reason": _TEXT,
            "tries": {"type": "integer"},
            "since": _TEXT,
        }
    )
    | {"description": "`outcome` is running, live, superseded, fell_back or another error's code, told by `reason`."},
    "Doing": record({"step": _TEXT, "told": _TEXT, "progress": _TEXT}),
}


def models() -> Schema:
    return _get("models", "What is live and what git desires", {"200": _json("What is live", "Models")})


def rollouts() -> Schema:
    return _get(
        "rollouts", "What was tried to go live, and how it ended", {"200": _json("The newest last", "Rollouts")}
    )


def live() -> Schema:
    return _get("live", "The server runs", {"200": _json("It does", "Liveness")})


def ready() -> Schema:
    """The same body either way."""
    told = {"200": _json("They can", "Readiness"), "503": _json("Not all of them can", "Readiness")}
    return _get("ready", "Every live model can answer", told)


def metrics() -> Schema:
    answer = {"description": "In Prometheus's text format", "content": {"text/plain": {"schema": _TEXT}}}
    return _get("metrics", "Prometheus metrics", {"200": answer})


def ping(operation: str) -> Schema:
    """An empty line, which MLflow's clients take for yes."""
    told = {"200": {"description": "Every live model can answer"}, "503": {"description": "Not all of them can"}}
    return _get(operation, "Ready, as mlflow models serve says it", told, "mlflow")


def version() -> Schema:
    told = {"200": "Its version, bare", "404": "No such model is live", "503": "No model is live yet"}
    return _get(
        "version",
        "The version of MLflow under which the only, or the default, model runs",
        {code: {"description": description} for code, description in told.items()},
        "mlflow",
    )


def _get(operation: str, summary: str, responses: Schema, tag: str = _TAG) -> Schema:
    return {"get": {"operationId": operation, "summary": summary, "tags": [tag], "responses": responses}}


def _json(told: str, name: str) -> Schema:
    return {"description": told, "content": {"application/json": {"schema": ref(name)}}}
