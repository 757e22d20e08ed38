"""How the data of a request or an answer may be written: which content types are read, and which can be asked for.

A format is one file: a `Reading` of a body, and a body made of a `Value`. Dialects choose among them here.
"""

from collections.abc import Callable, Mapping

from serve.child.wire import Value
from serve.errors import UnsupportedContent
from serve.front.formats import mlflow_json
from serve.inference import Reading

JSON = "application/json"

READERS: Mapping[str, Callable[[bytes], Reading]] = {JSON: mlflow_json.JsonReading}
WRITERS: Mapping[str, Callable[[Value], bytes]] = {JSON: mlflow_json.write}


def reader(content_type: str) -> Callable[[bytes], Reading]:
    """What reads a body of this Content-Type, or `UnsupportedContent`."""
    kind, *parameters = [part.strip().lower() for part in content_type.split(";")]
    if kind not in READERS:
        told = f"'{kind[:80]}'" if kind else "none"
        raise UnsupportedContent(f"the Content-Type must be {' or '.join(READERS)}; it is {told}")
    if any(parameter not in ("", "charset=utf-8", 'charset="utf-8"') for parameter in parameters):
        raise UnsupportedContent("the body must be UTF-8, and its Content-Type may say only charset=utf-8")
    return READERS[kind]
