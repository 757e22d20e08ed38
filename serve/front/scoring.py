"""The small routes of MLflow's scoring server: `/ping`, `/health`, `/version`, as its clients expect them."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from serve.errors import ServeError
from serve.front.readiness import Readiness
from serve.front.status import status
from serve.inference import Inference

_JSON = "application/json"

Handler = Callable[[Request], Awaitable[Response]]


def handlers(readiness: Readiness, inference: Inference) -> Mapping[str, Handler]:
    """By path. Where MLflow's server would not have started yet, they answer 503."""

    async def ping(_: Request) -> Response:
        return Response("\n", 200 if readiness.ready else 503, media_type=_JSON)

    async def version(_: Request) -> Response:
        """The version of MLflow under which the only, or the default, model runs; bare, as MLflow has it."""
        try:
            workers = inference.find(None).pool.workers
        except ServeError as error:
            return Response("\n", status(error), media_type=_JSON)
        return Response(next((str(one["mlflow"]) for one in workers if "mlflow" in one), "\n"), 200, media_type=_JSON)

    return {"/ping": ping, "/health": ping, "/version": version}
