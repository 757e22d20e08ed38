"""Parquet, in and out: a table in one file.

`read` takes a table out of a body; what pandas wrote as the index of its frame is left out, as everywhere.
"""

from dataclasses import dataclass

import pyarrow as pa
from pyarrow import parquet

from serve.child.wire import Value
from serve.errors import MalformedRequest, RequestRejected
from serve.front.formats import arrow_columns, arrow_tables, bounds, columns, parquet_pages
from serve.signature.binding import Bound
from serve.signature.spec import Signature

_MOST_THRIFT_ITEMS = 100_000  # of any list in the footer: columns, row groups


@dataclass(frozen=True, slots=True)
class ParquetReading:
    """A body of one table."""

    body: bytes

    @property
    def size(self) -> int:
        return max(len(self.body), bounds.PACKED_BYTES)

    def bind(self, signature: Signature) -> Bound:
        try:
            named = arrow_columns.read(read(self.body), tensors=bool(signature.tensors))
        except RequestRejected:
            raise
        except Exception:  # Arrow names what it found, which is the caller's data, and raises of many kinds
            raise MalformedRequest("the body is no whole and valid Parquet file") from None
        return columns.bind(named, signature, "parquet")


def read(body: bytes) -> pa.Table:
    """The table in a body; what Arrow and `parquet_pages` raise where there is none."""
    parquet_pages.require_bounded(body)
    source = pa.BufferReader(body)
    file = parquet.ParquetFile(source, pre_buffer=False, thrift_container_size_limit=_MOST_THRIFT_ITEMS)
    return file.read(use_threads=False)


def write(value: Value, signature: Signature) -> bytes:
    """The answer as one table."""
    sink = pa.BufferOutputStream()
    parquet.write_table(arrow_tables.table(value, signature), sink)
    return bytes(sink.getvalue())
