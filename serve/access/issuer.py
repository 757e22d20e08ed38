"""The keys that an issuer of tokens publishes, by their ids: found by OIDC discovery, and asked for again and again.

Those known last go on where the issuer can't be reached. An unknown id makes it be asked soon, and however many come it
is asked no oftener than every few seconds. Owned by the event loop; nothing is kept on disk.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from serve.access import documents
from serve.errors import IssuerUnreachable

log = structlog.get_logger()

_DISCOVERY = "/.well-known/openid-configuration"
_LEAST_RSA_BITS = 2048


class Kind(NamedTuple):
    """Of what kind a key must be for an algorithm."""

    kty: str
    crv: str | None = None


# Those that a token may be signed with at all: none of them shares its secret with whoever verifies.
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), Kind("RSA")),
    "ES256": Kind("EC", "P-256"),
    "ES384": Kind("EC", "P-384"),
    "ES512": Kind("EC", "P-521"),
    "EdDSA": Kind("OKP", "Ed25519"),
}


class PublicKey(NamedTuple):
    """A key as it is published; `algorithm` is the only one it is for, where it says so."""

    kind: Kind
    algorithm: str | None
    key: Any

    def fits(self, algorithm: str) -> bool:
        """Whether a token that names this algorithm may be signed with it."""
        kind = KINDS.get(algorithm)
        fitting = kind is not None and kind.kty == self.kind.kty and kind.crv in (None, self.kind.crv)
        return fitting and self.algorithm in (None, algorithm)


class Pace(NamedTuple):
    """How often an issuer is asked, in seconds: as a rule, after a failure, and at most."""

    rule: float = 300.0
    failed: float = 15.0
    least: float = 3.0


_PACE = Pace()


class Issuer:
    """`url` is the issuer's name, as tokens have it; `keys` are those published last; `changed` is called then."""

    def __init__(self, url: str, get: Callable[[str], Awaitable[bytes]] = documents.get, pace: Pace = _PACE) -> None:
        self.url = url
        self.keys: Mapping[str, PublicKey] = {}
        self.changed: Callable[[], None] = lambda: None
        self._get, self._pace = get, pace
        self._published = b""
        self.failing = False  # to be reached, so that the keys known before go on
        self._wanted = asyncio.Event()

    def want(self) -> None:
        """A token names a key that is not known: there may be new ones."""
        self._wanted.set()

    async def follow(self) -> None:
        """Ask, for ever."""
        while True:
            self._wanted.clear()
            again = self._pace.rule if await self._asked() else self._pace.failed
            await asyncio.sleep(self._pace.least)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, again - self._pace.least)):
                    await self._wanted.wait()

    async def _asked(self) -> bool:
        """Whether the issuer's keys could be had."""
        try:
            published = await self._discovered()
            if published != self._published:
                self.keys = read(published)
                self._published = published
                self.changed()
                log.info("keys of the issuer read", issuer=self.url, ids=sorted(self.keys)[:20])
        except IssuerUnreachable as error:
            if not self.failing:
                log.warning("issuer unreachable: the keys known before go on", reason=error.message)
            self.failing = True
            return False
        self.failing = False
        return True

    async def _discovered(self) -> bytes:
        """The key set, from where the issuer itself says it is."""
        told = _object(await self._get(self.url.rstrip("/") + _DISCOVERY))
        if told.get("issuer") != self.url:
            raise IssuerUnreachable(f"the document at {self.url} is of another issuer")
        place = told.get("jwks_uri")
        if not isinstance(place, str):
            raise IssuerUnreachable(f"the document at {self.url} names no jwks_uri")
        return await self._get(place)


def read(published: bytes) -> Mapping[str, PublicKey]:
    """The keys of a key set by id. Whatever is no key to verify with, or has no id, is left out."""
    found = _object(published).get("keys")
    if not isinstance(found, list):
        raise IssuerUnreachable("the issuer's key set has no keys")
    return {kid: key for one in found if isinstance(one, dict) for kid, key in _keys(one)}


def _keys(one: dict[str, Any]) -> Iterator[tuple[str, PublicKey]]:
    kid, kind, algorithm = one.get("kid"), Kind(str(one.get("kty")), one.get("crv")), one.get("alg")
    if not isinstance(kid, str) or one.get("use", "sig") != "sig":
        return
    named = algorithm or next((name for name in KINDS if PublicKey(kind, None, None).fits(name)), None)
    if named not in KINDS:
        return
    try:
        key = PyJWK(one, named).key
    except (PyJWTError, ValueError, TypeError):
        return
    if kind.kty == "RSA" and key.key_size < _LEAST_RSA_BITS:
        return
    yield kid, PublicKey(kind, algorithm, key)


def _object(document: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise IssuerUnreachable("the issuer's document is not JSON") from None
    if not isinstance(told, dict):
        raise IssuerUnreachable("the issuer's document is no JSON object")
    return told
