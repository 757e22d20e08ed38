"""JSON Web Tokens of one issuer: signed with a key that it publishes, for us, in time; and the scopes they grant.

What the token itself says about how to verify it counts for nothing beyond its key's id, and an algorithm that is
allowed and fits that key.
"""

from collections.abc import Callable, Mapping
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
    """Those of an issuer."""

    def __init__(self, issuer: Issuer, rules: Rules) -> None:
        self._issuer, self._rules = issuer, rules
        self.changed: Callable[[], None] = lambda: None
        issuer.changed = lambda: self.changed()

    def grant(self, token: bytes) -> Grant | None:
        """What a token grants, or None; it ends with the grant's `until`."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header.get("kid"), header.get("alg"))
            return None if key is None else self._granted(self._claims(token, key, header["alg"]))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None

    def _key(self, kid: object, algorithm: object) -> PublicKey | None:
        if not isinstance(kid, str) or algorithm not in self._rules.algorithms:
            return None
        key = self._issuer.keys.get(kid)
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
