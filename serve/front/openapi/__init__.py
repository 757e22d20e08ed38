"""What /openapi.json says: for each route that is mounted what it takes and answers, from the live models' signatures.

In go the live models and the paths that are mounted, out comes a document of OpenAPI 3.1; the same models give the
same names. A route is described by one function of its dialect's file; one that no file knows is left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from serve.front.openapi import answers, control, gate, open_inference, past, refusals, requests, scoring
from serve.front.openapi.subject import Subject, subjects
from serve.front.openapi.types import Schema
from serve.rollout import Deployed

OF_MODEL: Mapping[str, Callable[[Subject], Schema]] = {
    "/models/{name}/predict": partial(scoring.predict, default=False),
    "/models/{name}/invocations": partial(scoring.invocations, default=False),
    "/v2/models/{name}": open_inference.model,
    "/v2/models/{name}/ready": open_inference.model_ready,
    "/v2/models/{name}/infer": open_inference.infer,
    "/v2/models/{name}/versions/{version}": open_inference.versioned(open_inference.model),
    "/v2/models/{name}/versions/{version}/ready": open_inference.versioned(open_inference.model_ready),
    "/v2/models/{name}/versions/{version}/infer": open_inference.versioned(open_inference.infer),
}
OF_DEFAULT: Mapping[str, Callable[[Subject], Schema]] = {
    "/predict": partial(scoring.predict, default=True),
    "/invocations": partial(scoring.invocations, default=True),
}
OF_SERVER: Mapping[str, Callable[[], Schema]] = {
    "/models": control.models,
    "/rollouts": control.rollouts,
    "/history": past.history,
    "/history/{revision}": past.changes,
    "/health/live": control.live,
    "/health/ready": control.ready,
    "/metrics": control.metrics,
    "/ping": partial(control.ping, "ping"),
    "/health": partial(control.ping, "health"),
    "/version": control.version,
    "/v2": open_inference.server,
    "/v2/health/live": open_inference.live,
    "/v2/health/ready": open_inference.ready,
    "/v2/repository/index": open_inference.index,
}


def document(
    models: Mapping[str, Deployed], default: str | None, mounted: Iterable[str], version: str, *, guarded: bool = False
) -> Schema:
    """The document for these live models; `default` is the one that is meant where a route names none.

    Where the routes are guarded, it says what lets a caller in, and what is answered else.
    """
    found = subjects(models.values())
    chosen = next((one for one in found if one.name == default or len(found) == 1), None)
    schemas = {**control.SCHEMAS, **past.SCHEMAS, **refusals.SCHEMAS, **open_inference.SCHEMAS}
    for one in found:
        schemas |= {**requests.components(one), **answers.components(one)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pinion", "version": version, "description": _told(found)},
        "tags": [{"name": one.name} for one in found] + [{"name": "release"}, {"name": "mlflow"}, {"name": "v2"}],
        "paths": _paths(mounted, found, chosen, guarded),
        "components": {"schemas": dict(sorted(schemas.items())), **(gate.COMPONENTS if guarded else {})},
    }


def _paths(mounted: Iterable[str], found: Sequence[Subject], chosen: Subject | None, guarded: bool) -> Schema:
    paths: Schema = {}
    for route in mounted:
        described = _described(route, found, chosen)
        paths |= {path: gate.guarded(route, item) for path, item in described.items()} if guarded else described
    return paths


def _described(route: str, found: Sequence[Subject], chosen: Subject | None) -> Schema:
    """A route's operations by path: one for each model, where it names one."""
    if route in OF_SERVER:
        return {route: OF_SERVER[route]()}
    if route in OF_DEFAULT and chosen is not None:
        return {route: OF_DEFAULT[route](chosen)}
    if route in OF_MODEL:
        return {route.replace("{name}", one.name): OF_MODEL[route](one) for one in found}
    return {}


def _told(found: Sequence[Subject]) -> str:
    links = ", ".join(f"[{one.name}](#/{one.name}/predict_{one.slug})" for one in found)
    live = f"Live now, each with an example to send: {links}." if found else "No model is live yet."
    return f"MLflow models, released by git. {live}"
