"""What a dialect is: an HTTP call in, an inference request out; an inference response in, an HTTP answer out.

A dialect is one file in `schemas/`. It holds no state, does no I/O, and knows no model: reading a body against
the model's signature is left to the `Reading` it makes, which may run in another process.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

from serve.errors import MalformedRequest, ServeError
from serve.journey import Journey
from serve.request import InferenceRequest, InferenceResponse

Headers = tuple[tuple[str, str], ...]

JSON_LENGTH = "inference-header-content-length"
TIMEOUT = "x-request-timeout"
JOURNEY = "pinion.journey"  # where the scope of ASGI has the request's
_READ = {name.encode(): name for name in ("accept", "content-type", "content-encoding", JSON_LENGTH, TIMEOUT)}

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Call(NamedTuple):
    """One HTTP request, whole: `headers` as `read`; `arguments` are what its path says (name, version).

    `journey` says what the request is called.
    """

    path: str
    headers: Mapping[str, str]
    arguments: Mapping[str, str]
    body: bytes
    received: float
    journey: Journey | None = None

    @property
    def request_id(self) -> str:
        return self.journey.id if self.journey is not None else ""


class Answer(NamedTuple):
    """One HTTP answer, whole; its content-length is added where it is sent."""

    status: int
    content_type: str
    body: bytes
    headers: Headers = ()


def read(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Those headers that any dialect reads, by their names in lower case."""
    return {_READ[name]: value.decode("latin-1") for name, value in headers if name in _READ}


def request_id(scope: Mapping[str, Any]) -> str:
    """The id of the request that ASGI's `scope` is of; '' where it has none."""
    journey = scope.get(JOURNEY)
    return journey.id if journey is not None else ""


def timeout_seconds(header: str) -> float:
    """What the header X-Request-Timeout says, or `MalformedRequest`."""
    seconds = float(header) if _SECONDS.fullmatch(header) else 0.0
    if not seconds:
        raise MalformedRequest("the header X-Request-Timeout must be a number of seconds above 0, as in 1.5")
    return seconds


class Dialect(Protocol):
    """A way to ask for predictions over HTTP; `name` is what metrics call it."""

    name: ClassVar[str]

    def decode(self, call: Call) -> InferenceRequest:
        """The request in a call, or `MalformedRequest` or `UnsupportedContent`."""

    def encode(self, call: Call, response: InferenceResponse) -> Answer:
        """The answer to a call, whose body is no more; it may be made in another process."""

    def refuse(self, error: ServeError, request_id: str = "") -> Answer:
        """The answer in place of a prediction, in this dialect's own shape."""
