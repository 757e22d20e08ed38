"""Where a target leads: the short way in, to an `Endpoint`, and who may go it; and the template of any route."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from starlette.routing import Match, Mount, Route

from serve.access.gate import Gate
from serve.access.scope import Need
from serve.front.endpoint import Endpoint
from serve.front.needs import NEEDS
from serve.observe.watch import Watch

_NOWHERE = ("", False)
_LONGEST_TARGET = 1024  # of those that are remembered


class Way(NamedTuple):
    """Where a path leads, and what the path says."""

    endpoint: Endpoint
    path: str
    arguments: Mapping[str, str]


class Ways:
    """The paths of `app` that lead to an `Endpoint`, for those whom `gate`, if there is one, lets in.

    Where requests of the application are watched, its state has the `watch`.
    """

    def __init__(self, app: FastAPI, gate: Gate | None = None) -> None:
        self._gate = gate
        self.watch: Watch | None = getattr(app.state, "watch", None)
        self._routes = [one for one in app.routes if isinstance(one, Route) and isinstance(one.endpoint, Endpoint)]
        self.find = functools.lru_cache(maxsize=1024)(self._find)

    def of(self, target: bytes) -> Way | None:
        """The way of a request's target; None where it leads elsewhere, or is too long to be remembered."""
        return self.find(target) if len(target) <= _LONGEST_TARGET else None

    def admits(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether the caller may predict; who may not is refused the long way."""
        return self._gate is None or self._gate.admits(headers, Need.PREDICT)

    def _find(self, target: bytes) -> Way | None:
        """The way of a request's target; None where it leads elsewhere, or is not written as plainly as it could be."""
        if not target.isascii() or any(mark in target for mark in b"%?#"):
            return None
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": target.decode(), "root_path": ""}
        for route in self._routes:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                endpoint: Any = route.endpoint
                return Way(endpoint, scope["path"], child["path_params"])
        return None


class Templates:
    """The templates of an application's routes: which of them a path fits, and whether that predicts."""

    def __init__(self, app: FastAPI) -> None:
        self._routes = [one for one in app.routes if isinstance(one, Route | Mount)]
        self._known = functools.lru_cache(maxsize=1024)(self._find)

    def __call__(self, path: bytes) -> tuple[str, bool]:
        """'' where there is none; a path that is too long fits none."""
        return self._known(path) if len(path) <= _LONGEST_TARGET else _NOWHERE

    def _find(self, path: bytes) -> tuple[str, bool]:
        scope = {"type": "http", "method": "GET", "path": path.decode("latin-1"), "root_path": "", "headers": []}
        for route in self._routes:
            if route.matches(scope)[0] is not Match.NONE:
                return route.path, NEEDS.get(route.path) is Need.PREDICT
        return _NOWHERE
