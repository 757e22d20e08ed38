"""Request bodies as they come in, bounded each by itself and all together.

A body counts from its first byte until its request is answered. What would go over a bound is refused at once,
before the rest of it is read. Small ones are never refused for what others hold: large bodies must not shut them
out. One `Bodies` serves every endpoint; it owns the count.
"""

from starlette.types import Receive

from serve.errors import BodiesFull, PayloadTooLarge

_SMALL_BYTES = 64 * 2**10


class ClientGone(Exception):
    """The caller closed the connection before it had its answer."""


class Bodies:
    """At most `max_bytes` a body, `max_held_bytes` together; a single body is let in where no others are held."""

    def __init__(self, max_bytes: int, max_held_bytes: int) -> None:
        self.max_bytes, self.max_held_bytes = max_bytes, max_held_bytes
        self.held = 0

    def expect(self) -> "Body":
        """The body of a request that begins; to be released when it is answered."""
        return Body(self)


class Body:
    """One request's share of what is held."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self._size = bodies, 0

    async def read(self, receive: Receive) -> bytes:
        """All of it; `PayloadTooLarge` or `BodiesFull` as soon as it is over a bound, whatever its headers say."""
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            self.count(len(part))
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def release(self) -> None:
        """The request is answered: its body no longer counts."""
        self._bodies.held -= self._size
        self._size = 0

    def count(self, more: int) -> None:
        """So many bytes more are held; `PayloadTooLarge` or `BodiesFull` where that is over a bound."""
        bodies = self._bodies
        self._size += more
        bodies.held += more
        if self._size > bodies.max_bytes:
            raise too_large(bodies.max_bytes)
        if bodies.held > bodies.max_held_bytes and bodies.held > self._size > _SMALL_BYTES:
            raise BodiesFull(bodies.max_held_bytes)


def too_large(limit: int) -> PayloadTooLarge:
    """What is told of a body of more bytes."""
    return PayloadTooLarge(f"the body is over the limit of {limit} bytes")
