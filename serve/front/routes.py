"""The FastAPI application: control routes, docs from local files, and predictions mounted as plain ASGI.

`openapi` is made anew on each call, for it shows the live models' own examples.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from serve.access.gate import Gate
from serve.access.scope import Need
from serve.errors import InternalError, MethodNotAllowed, RouteNotFound
from serve.front import describe, docs
from serve.front.console import Console
from serve.front.dialect import request_id
from serve.front.guard import guard
from serve.front.needs import CONTROL
from serve.front.openapi import document
from serve.front.readiness import Readiness
from serve.front.scoring import Handler
from serve.front.status import PROBLEM_TYPE, problem, status
from serve.metrics import Metrics
from serve.rollout import Rollout

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def application(
    rollout: Rollout,
    readiness: Readiness,
    endpoints: Mapping[str, ASGIApp | Handler],
    metrics: Metrics,
    lifespan: Lifespan,
    version: str,
    default_model: str | None = None,
    gate: Gate | None = None,
) -> FastAPI:
    """The whole HTTP surface of the server, behind the gate; `endpoints` are those kept clear of FastAPI, by path."""
    app = FastAPIOffline(title="Pinion", version=version, lifespan=lifespan, docs_url=None, static_url=docs.FILES)
    app.router.routes.extend(Route(path, endpoint) for path, endpoint in endpoints.items())
    app.router.routes.extend(Console().routes())
    _control_routes(app, rollout, readiness, metrics, gate)
    _refusals(app)
    app.add_route("/docs", lambda request: docs.page(app.openapi(), request.scope.get("root_path", "")))
    guarded = gate is not None
    app.openapi = lambda: _openapi(app, rollout, default_model, guarded)  # type: ignore[method-assign]  # FastAPI's documented way
    if gate is not None:
        guard(app.routes, gate)
    return app


def without_control(app: FastAPI) -> FastAPI:
    """The same without what the control port has to itself; its lifespan is the same, too."""
    narrow = FastAPI(openapi_url=None, lifespan=app.router.lifespan_context)
    narrow.state.watch = getattr(app.state, "watch", None)
    narrow.router.routes.extend(one for one in app.routes if getattr(one, "path", None) not in CONTROL)
    _refusals(narrow)
    return narrow


def _refusals(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _problem)
    app.add_exception_handler(Exception, _fault)


def _control_routes(app: FastAPI, rollout: Rollout, readiness: Readiness, metrics: Metrics, gate: Gate | None) -> None:
    @app.get("/models")
    async def models() -> dict[str, Any]:
        return describe.models(rollout)

    @app.get("/rollouts")
    async def rollouts() -> dict[str, Any]:
        return describe.rollouts(rollout.attempts)

    @app.get("/health/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/health/ready")
    async def ready(request: Request) -> JSONResponse:
        is_known = gate is None or gate.admits(request.scope["headers"], Need.KNOWN)
        body = describe.readiness(rollout, readiness) if is_known else describe.readiness_alone(readiness)
        return JSONResponse(body, 200 if body["ready"] else 503)

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _problem(request: Request, error: Exception) -> Response:
    """Unknown paths and wrong methods in the same shape as every other refusal."""
    assert isinstance(error, HTTPException)
    where = "/docs" if request.app.openapi_url is not None else "/docs of the control port"
    told = f"{request.method} {request.url.path[:200]}: {error.detail}; the routes are listed at {where}"
    refusal = MethodNotAllowed(told) if error.status_code == 405 else RouteNotFound(told)
    return Response(problem(refusal, request_id(request.scope)), status(refusal), error.headers, PROBLEM_TYPE)


async def _fault(request: Request, _: Exception) -> Response:
    """A fault of ours; uvicorn logs it."""
    fault = InternalError("the server failed on this request; its log has the details")
    return Response(problem(fault, request_id(request.scope)), status(fault), media_type=PROBLEM_TYPE)


def _openapi(app: FastAPI, rollout: Rollout, default_model: str | None, guarded: bool) -> dict[str, Any]:
    mounted = [route.path for route in app.routes if isinstance(route, Route)]
    return document(rollout.models, default_model, mounted, app.version, guarded=guarded)
