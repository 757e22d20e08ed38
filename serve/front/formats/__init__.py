"""How the data of a request or an answer may be written: which content types are read, and which can be asked for.

A format is one file: a `Reading` of a body, and a body made of a `Value`. Dialects choose among them here.
"""

from collections.abc import Callable, Mapping

from serve.child.wire import Value
from serve.errors import UnsupportedContent
from serve.front.formats import accept, arrow_stream, mlflow_json, npy, parquet_file, text_csv
from serve.front.remember import remember
from serve.request import InferenceResponse, Reading
from serve.signature.spec import Signature

JSON = "application/json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
NPY = "application/x-npy"

READERS: Mapping[str, Callable[[bytes], Reading]] = {
    JSON: mlflow_json.JsonReading,
    CSV: text_csv.CsvReading,
    PARQUET: parquet_file.ParquetReading,
    ARROW: arrow_stream.ArrowReading,
    NPY: npy.NpyReading,
}
# By the answer, and the signature whose outputs may name its columns. The first is given where any will do.
WRITERS: Mapping[str, Callable[[Value, Signature], bytes]] = {
    JSON: lambda value, _: mlflow_json.write(value),
    CSV: text_csv.write,
    PARQUET: parquet_file.write,
    ARROW: arrow_stream.write,
    NPY: npy.write,
}


@remember
def reader(content_type: str) -> Callable[[bytes], Reading]:
    """What reads a body of this Content-Type, or `UnsupportedContent`."""
    kind, *parameters = [part.strip().lower() for part in content_type.split(";")]
    if kind not in READERS:
        told = f"'{kind[:80]}'" if kind else "none"
        raise UnsupportedContent(f"the Content-Type must be one of {', '.join(READERS)}; it is {told}")
    if any(parameter not in ("", "charset=utf-8", 'charset="utf-8"') for parameter in parameters):
        raise UnsupportedContent("the body must be UTF-8, and its Content-Type may say only charset=utf-8")
    return READERS[kind]


def require_unpacked(content_encoding: str) -> None:
    """`UnsupportedContent` for a packed body: nobody unpacks it here, and as it is it would be refused as no JSON."""
    if content_encoding and content_encoding.strip().lower() != "identity":
        raise UnsupportedContent("the body must have no Content-Encoding on this route")


@remember
def accepted(header: str) -> str:
    """The content type of the answer that an Accept header asks for, or `NotAcceptable`."""
    return accept.choose(header, tuple(WRITERS))


def write(kind: str, response: InferenceResponse) -> bytes:
    """An answer's body in the content type `kind`."""
    if kind == JSON:
        return mlflow_json.write(response.value, unwrapped=response.bound.unwrapped)
    return WRITERS[kind](response.value, response.signature)
