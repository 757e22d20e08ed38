"""Predictions are taken off the road ahead of FastAPI, whose middleware would cost more than the request itself.

The same endpoints are routes of the application too: it lists them, and answers what does not come by their paths
to the letter.
"""

from typing import Any

from fastapi import FastAPI
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.front.endpoint import Endpoint


class Ahead:
    """The application `app`, with the shortest way to each `Endpoint` among its routes."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        routes = [one for one in app.routes if isinstance(one, Route) and isinstance(one.endpoint, Endpoint)]
        self._fixed: dict[str, Any] = {one.path: one.endpoint for one in routes if "{" not in one.path}
        self._routes = [one for one in routes if "{" in one.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["root_path"]:
            await self._app(scope, receive, send)
        else:
            await self._found(scope)(scope, receive, send)

    def _found(self, scope: Scope) -> ASGIApp:
        fixed: ASGIApp | None = self._fixed.get(scope["path"])
        if fixed is not None:
            return fixed
        for route in self._routes:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                scope.update(child)
                endpoint: Any = route.endpoint
                return endpoint  # type: ignore[no-any-return]  # an `Endpoint`
        return self._app
