"""Arrow's IPC stream, in and out: a table as record batches.

Source of the format: arrow/format/Message.fbs and the IPC part of arrow/docs/source/format/Columnar.rst. Buffers may
be compressed; each says at its start how long it is without that, which is all that is read before the bound is
checked. All else is left to Arrow, which checks what it reads.
"""

import struct
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import ipc, types

from serve.child.wire import Value
from serve.errors import MalformedRequest, RequestRejected
from serve.front.formats import arrow_columns, arrow_tables, bounds, columns
from serve.front.formats.arrow_arrays import is_fixed
from serve.signature.binding import Bound
from serve.signature.spec import Signature


@dataclass(frozen=True, slots=True)
class ArrowReading:
    """A body of one table."""

    body: bytes

    @property
    def size(self) -> int:
        return len(self.body) if _plain(self.body) else max(len(self.body), bounds.PACKED_BYTES)

    def bind(self, signature: Signature) -> Bound:
        try:
            named = arrow_columns.read(read(self.body), tensors=bool(signature.tensors))
        except RequestRejected:
            raise
        except Exception:  # Arrow names what it found, which is the caller's data, and raises of many kinds
            raise MalformedRequest(_refusal(self.body)) from None
        return columns.bind(named, signature, "arrow")


def _plain(body: bytes) -> bool:
    """Whether the body holds no more than its bytes say: numbers, texts, nothing packed or shared."""
    try:
        messages = ipc.MessageReader.open_stream(pa.py_buffer(body))
        schema = ipc.read_schema(messages.read_next_message())
        return all(map(_is_plain, schema.types)) and all(
            message.type == "record batch" and not _unpacked(message) for message in messages
        )
    except Exception:  # whatever is wrong with it is told when it is read
        return False


def _is_plain(type_: pa.DataType) -> bool:
    texts = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    return type_ in texts or (is_fixed(type_) and not types.is_null(type_))


def _refusal(body: bytes) -> str:
    if body.startswith(b"ARROW1"):
        return "the body is an Arrow file, or Feather: send it as an Arrow IPC stream"
    return "the body is no whole and valid Arrow IPC stream"


def read(body: bytes) -> pa.Table:
    """The table in a body; what Arrow raises where there is none."""
    unpacked = 0
    for message in ipc.MessageReader.open_stream(pa.py_buffer(body)):
        unpacked += _unpacked(message)
        bounds.require(unpacked)
    return ipc.open_stream(pa.py_buffer(body), options=ipc.IpcReadOptions(use_threads=False)).read_all()


def _unpacked(message: ipc.Message) -> int:
    """How many bytes the buffers of a message take without their compression."""
    metadata = memoryview(message.metadata)
    header = _Table.root(metadata).table(2)
    batch = header.table(1) if message.type == "dictionary" and header is not None else header
    if message.type not in ("dictionary", "record batch") or batch is None:
        return 0
    if b"ARROW:experimental_compression" in bytes(metadata):
        raise MalformedRequest("the body is compressed in a way that Arrow has given up since its version 1.0")
    if batch.table(3) is None:  # no compression: the buffers are used where they are
        return 0
    buffers = batch.vector(2, 2)  # where each starts, and how many bytes it has
    return sum(max(0, *struct.unpack_from("<q", message.body, start)) for start, size in buffers.tolist() if size)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a flatbuffer that Arrow has verified: just enough to find the lengths of buffers in it."""

    data: memoryview
    at: int

    @classmethod
    def root(cls, data: memoryview) -> "_Table":
        return cls(data, *struct.unpack_from("<I", data))

    def _field(self, number: int) -> int | None:
        """Where a field's value stands; None where it is left out."""
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        size, slot = struct.unpack_from("<H", self.data, vtable)[0], 4 + 2 * number
        offset = struct.unpack_from("<H", self.data, vtable + slot)[0] if slot < size else 0
        return self.at + offset if offset else None

    def table(self, number: int) -> "_Table | None":
        at = self._field(number)
        return None if at is None else _Table(self.data, at + struct.unpack_from("<I", self.data, at)[0])

    def vector(self, number: int, width: int) -> columns.Array:
        """A vector of structs of `width` 64-bit integers."""
        at = self._field(number)
        if at is None:
            return np.empty((0, width), np.int64)
        start = at + struct.unpack_from("<I", self.data, at)[0]
        count = struct.unpack_from("<I", self.data, start)[0]
        return np.frombuffer(self.data, "<i8", count * width, start + 4).reshape(count, width)


def write(value: Value, signature: Signature) -> bytes:
    """The answer as one table."""
    table = arrow_tables.table(value, signature)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())
