"""Error class → HTTP status: the one table, and the problem details (RFC 9457) that go with it."""

from typing import Any

import orjson

from serve.errors import (
    DeadlineExceeded,
    InvalidInputs,
    MalformedRequest,
    ModelFailed,
    ModelNotFound,
    NotReady,
    PayloadTooLarge,
    QueueFull,
    ServeError,
    UnsupportedContent,
    WorkerDied,
)

PROBLEM_TYPE = "application/problem+json"

STATUS: dict[type[ServeError], int] = {
    MalformedRequest: 400,
    ModelNotFound: 404,
    PayloadTooLarge: 413,
    UnsupportedContent: 415,
    InvalidInputs: 422,
    QueueFull: 429,
    ModelFailed: 500,
    WorkerDied: 503,
    NotReady: 503,
    DeadlineExceeded: 504,
}

RETRY_AFTER_SECONDS = {429: "1", 503: "1"}

_TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def status(error: ServeError) -> int:
    """The status of the nearest class in the table; 500 for one that never should reach a caller."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(code: int, word: str, detail: str) -> bytes:
    """The body of an error answer: status, stable `code`, and one sentence."""
    body: dict[str, Any] = {
        "title": _TITLES.get(code, "Error"),
        "status": code,
        "code": word,
        "detail": detail.encode("utf-8", "replace").decode(),  # half a surrogate pair has no UTF-8
    }
    return orjson.dumps(body)
