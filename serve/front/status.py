"""Error class → HTTP status: the one table, and the problem details (RFC 9457) that go with it."""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from serve.errors import (
    DeadlineExceeded,
    Forbidden,
    HeadersTooLarge,
    InternalError,
    InvalidInputs,
    MalformedRequest,
    MethodNotAllowed,
    ModelFailed,
    ModelNotFound,
    NotAcceptable,
    NotReady,
    PayloadTooLarge,
    QueueFull,
    ReleaseNotFound,
    RequestTooSlow,
    RouteNotFound,
    ServeError,
    TargetTooLong,
    TooManyConnections,
    Unauthenticated,
    Unavailable,
    UnsupportedContent,
    VersionNotFound,
    WorkerDied,
)

PROBLEM_TYPE = "application/problem+json"

STATUS: dict[type[ServeError], int] = {
    MalformedRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    ModelNotFound: 404,
    RouteNotFound: 404,
    VersionNotFound: 404,
    ReleaseNotFound: 404,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    RequestTooSlow: 408,
    PayloadTooLarge: 413,
    TargetTooLong: 414,
    UnsupportedContent: 415,
    InvalidInputs: 422,
    QueueFull: 429,
    HeadersTooLarge: 431,
    ModelFailed: 500,
    InternalError: 500,
    WorkerDied: 503,
    NotReady: 503,
    TooManyConnections: 503,
    DeadlineExceeded: 504,
}

# gRPC's name of each status above, for the same errors there.
RPC_STATUS: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    406: "INVALID_ARGUMENT",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    414: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    431: "INVALID_ARGUMENT",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

CHALLENGE = (("www-authenticate", 'Bearer realm="pinion"'),)  # with 401; what was wrong is not told

RETRY_AFTER_SECONDS = {429: 1, 503: 1}  # at least

_MOST_TEXT = 1000  # what fits among a gRPC answer's headers

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def status(error: ServeError) -> int:
    """The status of the nearest class in the table; 500 for one that never should reach a caller."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(error: ServeError, request_id: str = "") -> bytes:
    """The body of an error answer: status, stable `code`, one sentence, and each flaw of the inputs with its place.

    Where the request has an id, that too: what a caller may copy into a report is found in the log by it.
    """
    code = status(error)
    body: dict[str, Any] = {"title": _TITLES[code], "status": code, "code": error.code, "detail": text(error.message)}
    if request_id:
        body["request_id"] = request_id
    if isinstance(error, InvalidInputs):
        body["errors"] = [{"place": text(flaw.place), "detail": text(flaw.detail)} for flaw in error.flaws]
    return orjson.dumps(body)


def in_one(error: ServeError) -> str:
    """All that an error has to say in one text, for protocols that know no more; its flaws up to a bound."""
    told = "; ".join(flaw.detail for flaw in error.flaws) if isinstance(error, InvalidInputs) else error.message
    return text(told[:_MOST_TEXT])


def retry_after(error: ServeError) -> tuple[tuple[str, str], ...]:
    """The header that tells when to try again, in whole seconds, for the statuses that say so."""
    least = RETRY_AFTER_SECONDS.get(status(error))
    if least is None:
        return ()
    known = error.again_seconds if isinstance(error, Unavailable) else 0.0
    return (("retry-after", str(max(least, math.ceil(known)))),)


def text(told: str) -> str:
    """`told` as it can be sent: half a surrogate pair has no UTF-8."""
    return told.encode("utf-8", "replace").decode()
