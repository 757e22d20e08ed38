"""The guard that stands before each route where there is a gate.

A refusal has the shape of its route's dialect, and is told before any of the body is read. The door asks the gate for
what takes the short way, and sends whom it does not let in this way.
"""

from collections.abc import Callable, Iterable

import structlog
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.access.gate import Gate
from serve.access.scope import Need
from serve.errors import Forbidden, ServeError
from serve.front.dialect import Answer, request_id
from serve.front.endpoint import Endpoint, respond
from serve.front.needs import NEEDS
from serve.front.schemas import open_inference, predict
from serve.front.status import CHALLENGE

log = structlog.get_logger()

Refuse = Callable[[ServeError, str], Answer]  # of the id of the request


class Guard:
    """A route's application behind the gate."""

    def __init__(self, app: ASGIApp, gate: Gate, need: Need, refuse: Refuse) -> None:
        self._app, self._gate, self._need, self._refuse = app, gate, need, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._gate.require(scope["headers"], self._need)
        except ServeError as error:
            if isinstance(error, Forbidden):
                log.debug("forbidden", caller=error.caller, need=self._need.value, request_id=request_id(scope))
            return await respond(send, self._answer(error, request_id(scope)))
        await self._app(scope, receive, send)

    def _answer(self, error: ServeError, request_id: str) -> Answer:
        answer = self._refuse(error, request_id)
        return answer._replace(headers=(*answer.headers, *CHALLENGE)) if answer.status == 401 else answer


def guard(routes: Iterable[BaseRoute], gate: Gate) -> None:
    """Have the gate asked before each of these; `KeyError` for one that is not in the table."""
    for one in routes:
        assert isinstance(one, Route | Mount)
        if NEEDS[one.path] is not Need.NOTHING:
            one.app = Guard(one.app, gate, NEEDS[one.path], _refusal(one))


def _refusal(route: Route | Mount) -> Refuse:
    """How a route refuses."""
    if isinstance(route, Route) and isinstance(route.endpoint, Endpoint):
        return route.endpoint.refuse
    return open_inference.refused if route.path.startswith("/v2") else predict.refused
