"""A whole answer as the bytes that are sent. Pure."""

import functools

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from serve.front.dialect import Answer, Headers

Pairs = tuple[tuple[bytes, bytes], ...]


def whole(answer: Answer, defaults: Pairs, keep_alive: bool, request_id: str) -> bytes:
    """An answer as bytes, to the request of that id."""
    start = head(answer.status, answer.content_type, answer.headers, defaults, keep_alive)
    body = answer.body
    return b"%b%b\r\ncontent-length: %d\r\n\r\n%b" % (start, request_id.encode("latin-1"), len(body), body)


@functools.lru_cache(maxsize=256)  # the answers of a release all have the same, but for the second they are sent in
def head(status: int, content_type: str, headers: Headers, defaults: Pairs, keep_alive: bool) -> bytes:
    """The status line and headers of an answer, up to its request's id; only its content-length comes after it."""
    lines = [*headers, ("content-type", content_type), *(() if keep_alive else (("connection", "close"),))]
    pairs = [*defaults, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in lines)]
    if any(byte in value for _, value in pairs for byte in b"\r\n\0"):
        raise ValueError("a header's value holds a line break")
    return STATUS_LINE[status] + b"".join(b"%b: %b\r\n" % pair for pair in pairs) + b"x-request-id: "
