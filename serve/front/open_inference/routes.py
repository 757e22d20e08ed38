"""The routes of the protocol that only tell: the server, its models, their health.

A server or model that is not ready answers 503, as KServe's does, not 400 as MLServer's and Triton's: nothing is
wrong with the request, and probes, proxies and clients that try again know that status.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.errors import MethodNotAllowed, RouteNotFound, ServeError
from serve.front.endpoint import respond, response
from serve.front.open_inference import metadata
from serve.front.readiness import Readiness
from serve.front.schemas.open_inference import refused
from serve.inference import Inference
from serve.rollout import Deployed, Rollout

Handler = Callable[[Request], Awaitable[Response]]

_MODEL = "/v2/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"


def routes(
    rollout: Rollout, readiness: Readiness, inference: Inference, infer: ASGIApp, version: str
) -> Mapping[str, ASGIApp | Handler]:
    """Every route of the protocol by path; `infer` is the endpoint that predicts."""

    def of_model(tell: Callable[[Deployed], JSONResponse]) -> Handler:
        async def handler(request: Request) -> Response:
            try:
                return tell(inference.find(request.path_params["name"], request.path_params.get("version")))
            except ServeError as error:
                return response(refused(error))

        return handler

    async def server(_: Request) -> Response:
        return JSONResponse(metadata.server(version))

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        return _readiness({"ready": readiness.ready})

    model = of_model(lambda one: JSONResponse(metadata.model(one)))
    model_ready = of_model(lambda one: _readiness({"name": one.snapshot.name, "ready": readiness.of(one)}))
    return {
        "/v2": server,
        "/v2/health/live": live,
        "/v2/health/ready": ready,
        _MODEL: model,
        f"{_MODEL}/ready": model_ready,
        f"{_MODEL}/infer": infer,
        _VERSION: model,
        f"{_VERSION}/ready": model_ready,
        f"{_VERSION}/infer": infer,
        "/v2/repository/index": Index(rollout, readiness),
        "/v2/{rest:path}": Elsewhere(),
    }


class Index:
    """What Triton's clients ask, by POST, of a server's repository: the models that are live."""

    def __init__(self, rollout: Rollout, readiness: Readiness) -> None:
        self._rollout, self._readiness = rollout, readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            told = f"{scope['path']} takes POST, not {scope['method']}"
            return await respond(send, refused(MethodNotAllowed(told)))
        await JSONResponse([self._entry(one) for one in self._rollout.models.values()])(scope, receive, send)

    def _entry(self, one: Deployed) -> dict[str, Any]:
        ready = self._readiness.of(one)
        reason = "" if ready else "the server is stopping" if self._readiness.stopping else "no worker is ready"
        state = "READY" if ready else "UNAVAILABLE"
        return {"name": one.snapshot.name, "version": one.versions[0], "state": state, "reason": reason}


class Elsewhere:
    """Every other path and method under /v2, refused in the shape that the protocol's clients read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = f"{scope['method']} {scope['path'][:200]} is not a route of this server; see docs/http.md"
        await respond(send, refused(RouteNotFound(told)))


def _readiness(body: dict[str, Any]) -> JSONResponse:
    return JSONResponse(body, 200 if body["ready"] else 503)
