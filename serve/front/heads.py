"""The head of a request, as the parser lets it pass → what no honest client sends, refused before any route. Pure.

llhttp refuses most: broken lines, lengths that are none, two framings at once. What it takes for another's business is
left to us: which version, how many and how long the headers are, and those that must come once.
Source: RFC 9112, 3.2 (Host) and 6.1 (Transfer-Encoding); RFC 9110, 5.3 (what may be repeated).
"""

import re
from collections.abc import Mapping, Sequence

from serve.errors import HeadersTooLarge, MalformedRequest, TargetTooLong

_WITH_SERVER = re.compile(rb"https?://[^/]+/", re.IGNORECASE)

MOST_BYTES = 64 * 2**10
MOST_HEADERS = 128
LONGEST_TARGET = 8 * 2**10

# Of two, each of those who read a request might take another.
_ONCE = frozenset({
    b"authorization", b"content-encoding", b"content-length", b"content-type", b"expect", b"host",
    b"inference-header-content-length", b"transfer-encoding", b"x-request-timeout",
})  # fmt: skip


def require_plain(
    version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], by_name: Mapping[bytes, bytes]
) -> None:
    """`MalformedRequest`, `TargetTooLong` or `HeadersTooLarge` where it is not; `by_name` has the same headers."""
    if len(target) > LONGEST_TARGET:
        raise TargetTooLong(f"the request's target has {len(target)} bytes; at most {LONGEST_TARGET} are read")
    if not target.startswith(b"/") and _WITH_SERVER.match(target) is None:
        raise MalformedRequest("the request's target must be a path, or a URL with one")
    if len(headers) > MOST_HEADERS:
        raise HeadersTooLarge(f"the request has {len(headers)} headers; at most {MOST_HEADERS} are read")
    if len(by_name) != len(headers):
        _require_once([name for name, _ in headers])
    if version != "1.1" or b"transfer-encoding" in by_name:
        _require_known(version, by_name.get(b"transfer-encoding"))
    if version == "1.1" and b"host" not in by_name:
        raise MalformedRequest("the request has no Host header, which HTTP/1.1 requires")


def require_short(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """`HeadersTooLarge` where all of them together are too long."""
    size = sum(len(name) + len(value) for name, value in headers)
    if size > MOST_BYTES:
        raise too_long()


def too_long() -> HeadersTooLarge:
    """What is told of a head that does not end in time."""
    return HeadersTooLarge(f"the request's headers are over the limit of {MOST_BYTES} bytes")


def _require_once(names: Sequence[bytes]) -> None:
    twice = sorted(name for name in _ONCE if names.count(name) > 1)
    if twice:
        raise MalformedRequest(f"the header {twice[0].decode()} came more than once")


def _require_known(version: str, encoding: bytes | None) -> None:
    if version not in ("1.0", "1.1"):
        raise MalformedRequest("the request must be of HTTP/1.1 or HTTP/1.0")
    if encoding is not None and (version == "1.0" or encoding.strip().lower() != b"chunked"):
        raise MalformedRequest("the Transfer-Encoding may only be chunked, in HTTP/1.1")
