"""The token of a request: what its one Authorization header says after `Bearer`. Nothing else is ever read. Pure.

No token is taken from an address, where it would stand in histories and the logs of proxies.
"""

from collections.abc import Iterable

_MOST_BYTES = 8192


def token(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """None where there is no such header, or two, or it is no bearer token, or one too long to be looked at.

    The names of `headers` are in lower case.
    """
    found = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                return None
            found = value
    if found is None or len(found) > _MOST_BYTES or found[:7].lower() != b"bearer ":
        return None
    return found[7:].strip(b" ") or None
