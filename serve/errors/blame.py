"""The outcome of a request that failed, and whose fault that is, in a word each, for who counts them: the one table."""

import asyncio

from serve.errors.failed import InternalError, ModelFailed
from serve.errors.rejected import RequestRejected
from serve.errors.root import ServeError
from serve.errors.unavailable import (
    DeadlineExceeded,
    NotReady,
    QueueFull,
    ReadTooSlowly,
    TooManyConnections,
    WorkerDied,
)

# The nearest class counts. 'overload': more came than the server could answer in time; 'server': it had none to ask.
FAULTS: dict[type[ServeError], str] = {
    RequestRejected: "caller",
    ReadTooSlowly: "caller",
    QueueFull: "overload",
    DeadlineExceeded: "overload",
    TooManyConnections: "overload",
    ModelFailed: "model",
    WorkerDied: "model",
    NotReady: "server",
    InternalError: "server",
}


def fault(outcome: str) -> str:
    """The fault that 'ok', 'cancelled' or the code of an error tells of."""
    return _BY_CODE.get(outcome, "server")


def outcome(error: BaseException) -> str:
    """The code of an error of ours, 'cancelled' where the caller left; whatever else it is, is a fault of ours."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return error.code if isinstance(error, ServeError) else InternalError.code


def _by_code(kind: type[ServeError]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in kind.__subclasses__():
        found |= _by_code(one)
    nearest = next((FAULTS[near] for near in kind.__mro__ if near in FAULTS), None)
    return found if nearest is None or "code" not in vars(kind) else {**found, kind.code: nearest}


_BY_CODE = {**_by_code(ServeError), "ok": "none", "cancelled": "caller"}
