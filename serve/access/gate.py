"""Whether a request may go on: its token, as a key or as one of an issuer, against what its route asks for.

Asked anew for each request, also on a connection that is kept. Who was let in is remembered, so that no hash and no
signature is paid for twice, and forgotten whenever the keys that are known change: one that is removed opens nothing
from then on. What was wrong with a token is told to nobody. Owned by the event loop.
"""

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from serve.access import bearer, keys
from serve.access.scope import Grant, Need
from serve.errors import Forbidden, Unauthenticated

Headers = Iterable[tuple[bytes, bytes]]

_MOST_REMEMBERED = 4096


class Known(Protocol):
    """Who knows tokens of a kind."""

    changed: Callable[[], None]  # to be called whenever a token may have become no good

    def grant(self, token: bytes) -> Grant | None:
        """What a token grants; None where it is no good. Whether it has ended since is for who asks to see."""


class Gate:
    """Lets in whom the keys or the issuer know; where there is neither, there is no `Gate`."""

    def __init__(self, keys: Known | None, tokens: Known | None, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._tokens, self._clock = keys, tokens, clock
        self._let_in: dict[bytes, Grant] = {}  # by their headers' value
        for known in (keys, tokens):
            if known is not None:
                known.changed = self._let_in.clear

    def grant(self, headers: Headers) -> Grant | None:
        """What the caller with these headers may do; None where it is nobody we know."""
        shown = bearer.header(headers)
        if shown is None:
            return None
        grant = self._let_in.get(shown) or self._known(shown)
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

    def _known(self, shown: bytes) -> Grant | None:
        """Whoever shows this, for the first time; the one remembered longest makes room."""
        token = bearer.token(shown)
        if token is None:
            return None
        known = self._keys if token.startswith(keys.PREFIX) else self._tokens
        grant = known.grant(token) if known is not None else None
        if grant is not None:
            if len(self._let_in) >= _MOST_REMEMBERED:
                del self._let_in[next(iter(self._let_in))]
            self._let_in[shown] = grant
        return grant
