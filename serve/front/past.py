"""What was released when, and what each release changed: `GET /history` and `GET /history/{revision}`. Only reads.

git is asked in a thread. What a release changed is made once and remembered; where small files of it are not on this
machine they are fetched, one release at a time, and who asks meanwhile waits. The event loop never does.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serve.artifact import details, history
from serve.artifact.fetch import PullLimits, Store
from serve.artifact.history import Release
from serve.artifact.pin import Pin
from serve.errors import MalformedRequest, ReleaseNotFound, ServeError
from serve.front.describe import shown
from serve.front.dialect import request_id
from serve.front.endpoint import response
from serve.front.schemas.predict import refused
from serve.front.scoring import Handler
from serve.rollout import Rollout

_USUAL, _MOST = 50, 500
_REMEMBERED = 64
_MOST_SECONDS = 60.0  # somebody waits for it, and others behind
_REVISION = re.compile(r"[0-9a-f]{7,64}")
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")


class Past:
    """The releases of a repository. Owned by the event loop."""

    def __init__(self, store: Store, limits: PullLimits, rollout: Rollout) -> None:
        self._store, self._rollout = store, rollout
        self._limits = replace(limits, timeout_seconds=min(limits.timeout_seconds, _MOST_SECONDS))
        self._alone = asyncio.Lock()
        self._remembered: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    async def releases(self, limit: int = _USUAL) -> dict[str, Any]:
        """The newest releases, the newest first, as many as `limit`; and whether there are more."""
        found = await asyncio.to_thread(history.releases, self._store.repo, most=limit + 1)
        live = self._live(found)
        told = [history.listed(one, older, live=one is live) for one, older in history.beside(found)][:limit]
        return {"releases": told, "more": len(found) > limit}

    async def release(self, revision: str) -> dict[str, Any]:
        """What the release of this revision changed, against the one before it; `ReleaseNotFound`."""
        found = await asyncio.to_thread(history.releases, self._store.repo)
        place = _place(found, revision)
        one, older = found[place], next((older for older in found[place + 1 :] if older.pin is not None), None)
        key = (one.revision, older.revision if older else "")
        async with self._alone:
            told = self._remembered.get(key)
            if told is None:
                told = await self._changes(one.pin, older.pin if older else None)
                if not told["unknown"]:
                    self._remember(key, told)
        return {"revision": one.revision, "before": older.revision if older else None, **told}

    async def _changes(self, pin: Pin | None, before: Pin | None) -> dict[str, Any]:
        if pin is None:
            return {"models": {}, "breaking": False, "unknown": "this release has no models.dvc that can be read"}
        found, _ = await details.between(self._store, before, pin, self._limits)
        return {**found.told(), "unknown": shown(found.unknown)}

    def _remember(self, key: tuple[str, str], told: dict[str, Any]) -> None:
        self._remembered[key] = told
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _live(self, found: tuple[Release, ...]) -> Release | None:
        """The newest release that pins what is live."""
        live = self._rollout.live
        return next((one for one in found if live is not None and one.pin == live.pin), None)


def _place(found: tuple[Release, ...], revision: str) -> int:
    places = [at for at, one in enumerate(found) if one.revision.startswith(revision)]
    if _REVISION.fullmatch(revision) is None or len(places) != 1:
        raise ReleaseNotFound(revision)
    return places[0]


def handlers(past: Past) -> Mapping[str, Handler]:
    """By path."""

    async def releases(request: Request) -> Response:
        limit = request.query_params.get("limit", str(_USUAL))
        if _LIMIT.fullmatch(limit) is None or int(limit) > _MOST:
            return _refused(request, MalformedRequest(f"limit must be a whole number from 1 to {_MOST}"))
        return JSONResponse(await past.releases(int(limit)))

    async def release(request: Request) -> Response:
        try:
            return JSONResponse(await past.release(request.path_params["revision"]))
        except ServeError as error:
            return _refused(request, error)

    return {"/history": releases, "/history/{revision}": release}


def _refused(request: Request, error: ServeError) -> Response:
    return response(refused(error, request_id(request.scope)))
