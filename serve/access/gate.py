"""Whether a request may go on: its token, as a key or as one of an issuer, against what its route asks for.

Asked anew for each request, also on a connection that is kept, so a key that is removed opens nothing from the next one
on. Nothing is remembered here, and what was wrong with a token is told to nobody.
"""

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from serve.access import bearer, keys
from serve.access.scope import Grant, Need
from serve.errors import Forbidden, Unauthenticated

Headers = Iterable[tuple[bytes, bytes]]


class Known(Protocol):
    """Who knows tokens of a kind."""

    def grant(self, token: bytes) -> Grant | None:
        """What a token grants; None where it is no good."""


class Gate:
    """Lets in whom the keys or the issuer know; where there is neither, there is no `Gate`."""

    def __init__(self, keys: Known | None, tokens: Known | None, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._tokens, self._clock = keys, tokens, clock

    def grant(self, headers: Headers) -> Grant | None:
        """What the caller with these headers may do; None where it is nobody we know."""
        token = bearer.token(headers)
        if token is None:
            return None
        known = self._keys if token.startswith(keys.PREFIX) else self._tokens
        grant = known.grant(token) if known is not None else None
        return grant if grant is not None and self._clock() < grant.until else None

    def admits(self, headers: Headers, need: Need) -> bool:
        """Whether the caller may have what it asks for."""
        grant = self.grant(headers)
        return grant is not None and need in grant.opens

    def require(self, headers: Headers, need: Need) -> None:
        """`Unauthenticated` or `Forbidden` where the caller may not have it."""
        if need is Need.NOTHING:
            return
        grant = self.grant(headers)
        if grant is None:
            raise Unauthenticated
        if need not in grant.opens:
            raise Forbidden(grant.id, need.value)
