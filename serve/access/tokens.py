"""JSON Web Tokens of one issuer: signed with a key that it publishes, for us, in time; and the scopes they grant.

A token that was good is remembered by its SHA-256 until it ends, so its signature is paid for once; all are forgotten
when the issuer's keys change. What the token itself says about how to verify it counts for nothing beyond its key's id,
and an algorithm that is allowed and fits that key.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt

from serve.access.issuer import Issuer, PublicKey
from serve.access.scope import Grant, Scope, opened

_LEEWAY_SECONDS = 10
_REQUIRED = ["exp", "iss", "aud"]  # and nbf, where there is one: many issuers have none


class Rules(NamedTuple):
    """What a token must say: whom it is for, how it is signed, and by which words of which claim it grants what."""

    audience: str
    algorithms: tuple[str, ...]
    scope_claim: str
    scopes: Mapping[str, Scope]


class Tokens:
    """Those of an issuer; the last `most` good ones are remembered."""

    def __init__(self, issuer: Issuer, rules: Rules, most: int = 4096) -> None:
        self._issuer, self._rules, self._most = issuer, rules, most
        self._keys: Mapping[str, PublicKey] = {}
        self._good: OrderedDict[bytes, Grant] = OrderedDict()

    def grant(self, token: bytes) -> Grant | None:
        """What a token grants, or None; whether it has ended since is for who asks to see, by the grant's `until`."""
        if self._keys is not self._issuer.keys:
            self._keys = self._issuer.keys
            self._good.clear()
        digest = hashlib.sha256(token).digest()
        grant = self._good.get(digest)
        if grant is not None:
            self._good.move_to_end(digest)
            return grant
        grant = self._verified(token)
        if grant is not None:
            self._good[digest] = grant
            if len(self._good) > self._most:
                self._good.popitem(last=False)
        return grant

    def _verified(self, token: bytes) -> Grant | None:
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header.get("kid"), header.get("alg"))
            return None if key is None else self._granted(self._claims(token, key, header["alg"]))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None

    def _key(self, kid: object, algorithm: object) -> PublicKey | None:
        if not isinstance(kid, str) or algorithm not in self._rules.algorithms:
            return None
        key = self._keys.get(kid)
        if key is None:
            self._issuer.want()
        return key if key is not None and key.fits(str(algorithm)) else None

    def _claims(self, token: bytes, key: PublicKey, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=self._rules.audience,
            issuer=self._issuer.url,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )

    def _granted(self, claims: dict[str, Any]) -> Grant:
        """A claim of scopes is words in one text, or a list of them."""
        told = claims.get(self._rules.scope_claim, "")
        words = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
        scopes = [self._rules.scopes[word] for word in words if isinstance(word, str) and word in self._rules.scopes]
        return Grant(str(claims.get("sub", ""))[:64], opened(scopes), float(claims["exp"]) + _LEEWAY_SECONDS)
