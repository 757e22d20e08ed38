"""The token of a request: what its one Authorization header says after `Bearer`. Nothing else is ever read. Pure.

No token is taken from an address, where it would stand in histories and the logs of proxies.
"""

from collections.abc import Iterable

_MOST_BYTES = 8192


def header(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The value of the header, or None where there is none, or two, or one too long to be looked at.

    The names of `headers` are in lower case.
    """
    found = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                return None
            found = value
    return found if found is not None and len(found) <= _MOST_BYTES else None


def token(value: bytes) -> bytes | None:
    """The token in that value; None where it is of another scheme."""
    return value[7:].strip(b" ") or None if value[:7].lower() == b"bearer " else None
