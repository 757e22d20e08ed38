"""The token of a request: what its one Authorization header says after `Bearer`. Nothing else is ever read. Pure.

No token is taken from an address, where it would stand in histories and the logs of proxies.
"""

from collections.abc import Iterable

_MOST_BYTES = 8192


def token(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """None where there is no such header, or two, or it is no bearer token, or one too long to be looked at.

    The names of `headers` are in lower case.
    """
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, told = given[0].partition(b" ")
    if len(told) > _MOST_BYTES or scheme.lower() != b"bearer":
        return None
    return told.strip(b" ") or None
