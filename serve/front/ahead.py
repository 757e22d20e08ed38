"""Predictions are taken off the road ahead of FastAPI, whose middleware would cost more than the request itself.

The same endpoints are routes of the application too: it lists them, and answers what does not come by their paths
to the letter.
"""

from collections.abc import Mapping
from typing import Any

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Ahead:
    """`endpoints` by path, which may hold arguments as in `/models/{name}/predict`; all else goes to `app`."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._fixed = {path: one for path, one in endpoints.items() if "{" not in path}
        self._routes = [Route(path, one) for path, one in endpoints.items() if "{" in path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["root_path"]:
            await self._app(scope, receive, send)
            return
        await self._found(scope)(scope, receive, send)

    def _found(self, scope: Scope) -> ASGIApp:
        fixed = self._fixed.get(scope["path"])
        if fixed is not None:
            return fixed
        for route in self._routes:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                scope.update(child)
                endpoint: Any = route.endpoint
                return endpoint  # type: ignore[no-any-return]  # an ASGI application, as it was given
        return self._app
