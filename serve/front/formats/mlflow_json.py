"""MLflow's JSON: `inputs`, `instances`, `dataframe_split`, `dataframe_records`, `params` → `predictions`."""

from typing import Any, NamedTuple

import orjson

from serve.child.wire import Value
from serve.errors import MalformedRequest
from serve.front.formats.depth import require_shallow
from serve.signature import numbers, payload
from serve.signature.binding import Bound, bind
from serve.signature.predictions import to_json
from serve.signature.spec import Signature


class JsonReading(NamedTuple):
    """A body, read strictly: what the signature does not name is refused."""

    body: bytes

    @property
    def size(self) -> int:
        return len(self.body)

    def short(self, signature: Signature) -> Bound | None:
        return numbers.read(self.body, signature) if len(self.body) <= numbers.SHORT_BYTES else None

    def bind(self, signature: Signature) -> Bound:
        return numbers.read(self.body, signature) or bind(payload.parse(document(self.body), self.body), signature)


def document(body: bytes) -> Any:
    """A body as JSON, or `MalformedRequest`, which says where it breaks and never repeats it; `TooDeep` first."""
    require_shallow(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}" if body else "the start"
        told = error.msg if body else "the body is empty"
        raise MalformedRequest(f"the body is not JSON: {told} at {place}") from None


def write(value: Value, *, unwrapped: bool = False) -> bytes:
    """The predictions as a body."""
    return to_json(value, unwrapped=unwrapped)
