"""What each route asks of its caller, and which are for whoever runs the server: the one table. Pure.

A route that is mounted and not in the table keeps the server from starting, where there is a gate.
"""

from collections.abc import Mapping

from serve.access.scope import Need
from serve.front import console, docs

NEEDS: Mapping[str, Need] = {
    "/predict": Need.PREDICT,
    "/models/{name}/predict": Need.PREDICT,
    "/invocations": Need.PREDICT,
    "/models/{name}/invocations": Need.PREDICT,
    "/v2/models/{name}/infer": Need.PREDICT,
    "/v2/models/{name}/versions/{version}/infer": Need.PREDICT,
    "/metrics": Need.METRICS,
    "/health/live": Need.NOTHING,
    "/health/ready": Need.NOTHING,  # and more is told to who is known
    "/ping": Need.NOTHING,
    "/health": Need.NOTHING,
    "/v2/health/live": Need.NOTHING,
    "/v2/health/ready": Need.NOTHING,
    "/version": Need.KNOWN,
    "/models": Need.KNOWN,
    "/rollouts": Need.KNOWN,
    "/history": Need.KNOWN,
    "/history/{revision}": Need.KNOWN,
    "/v2": Need.KNOWN,
    "/v2/models/{name}": Need.KNOWN,
    "/v2/models/{name}/ready": Need.KNOWN,  # it tells which models there are
    "/v2/models/{name}/versions/{version}": Need.KNOWN,
    "/v2/models/{name}/versions/{version}/ready": Need.KNOWN,
    "/v2/repository/index": Need.KNOWN,
    "/v2/{rest:path}": Need.NOTHING,  # no such route, as it is said of all others that there are not
    console.PAGE: Need.NOTHING,  # no data is in it: it asks for a key, and then for the data
    console.FILES: Need.NOTHING,
    "/docs": Need.KNOWN,
    "/redoc": Need.KNOWN,
    "/openapi.json": Need.KNOWN,
    docs.FILES: Need.KNOWN,
}

# Those for whoever runs the server: where there is a control port, only it has them.
CONTROL = frozenset(
    {
        console.PAGE,
        console.FILES,
        "/metrics",
        "/models",
        "/rollouts",
        "/history",
        "/history/{revision}",
        "/docs",
        "/redoc",
        "/openapi.json",
        docs.FILES,
    }
)
