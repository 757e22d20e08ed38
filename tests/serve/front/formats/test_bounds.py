"""Bodies of a few kilobytes that stand for gigabytes: each is refused before it is unpacked."""

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from serve.aside import INLINE_BYTES
from serve.errors import InvalidInputs, MalformedRequest, PayloadTooLarge
from serve.front.formats import ARROW, PARQUET, READERS
from serve.front.formats.bounds import MOST_UNPACKED_BYTES
from serve.signature.spec import Signature, TensorSpec
from tests.serve.front.formats.tables import file, stream

TENSOR = Signature(tensors=(TensorSpec(None, "<f4", (-1, 1000)),))
MEGABYTE = "x" * 2**20


def zeros(type_: pa.DataType, count: int, bytes_: int) -> pa.Array:
    """An array whose data is never written to, so that it takes no memory here either."""
    return pa.Array.from_buffers(type_, count, [None, pa.py_buffer(np.zeros(bytes_, np.uint8))])


def nulls(count: int) -> pa.Array:
    """As a stream writes them: of no buffer at all, where Arrow's own `pa.nulls` has one."""
    return pa.Array.from_buffers(pa.null(), count, [None])


def named_often(count: int) -> pa.Array:
    """One long text, named `count` times."""
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([MEGABYTE]))


def views(count: int) -> pa.Array:
    """Lists of all the same million values."""
    starts, sizes = pa.array(np.zeros(count, np.int32)), pa.array(np.full(count, 10**6, np.int32))
    return pa.ListViewArray.from_arrays(starts, sizes, zeros(pa.int8(), 10**6, 10**6))


def long_views(count: int) -> pa.Array:
    """Texts that are all the same million characters."""
    view = struct.pack("<i4sii", 2**20, b"xxxx", 0, 0)
    buffers = [None, pa.py_buffer(view * count), pa.py_buffer(MEGABYTE.encode())]
    return pa.Array.from_buffers(pa.string_view(), count, buffers)


def compressed_zeros() -> bytes:
    return stream(pa.table({"x": zeros(pa.int64(), 2**25 + 1, 2**28 + 8)}), compression="zstd")


STREAMS: dict[str, Any] = {
    "compressed zeros": lambda: pa.table({"x": zeros(pa.int64(), 2**25 + 1, 2**28 + 8)}),
    "nulls": lambda: pa.table({"x": nulls(2**31 - 1)}),
    "lists of nulls": lambda: pa.table({"x": pa.FixedSizeListArray.from_arrays(nulls(10**9), 10**8)}),
    "structs of nothing": lambda: pa.table({"x": pa.Array.from_buffers(pa.struct([]), 2**31 - 1, [None])}),
    "empty lists": lambda: pa.table(
        {"x": pa.Array.from_buffers(pa.list_(pa.int8(), 0), 2**31 - 1, [None], children=[pa.array([], pa.int8())])}
    ),
    "a dictionary": lambda: pa.table({"x": named_often(1000)}),
    "a dictionary in lists": lambda: pa.table({"x": pa.FixedSizeListArray.from_arrays(named_often(1000), 10)}),
    "runs": lambda: pa.table({"x": pa.RunEndEncodedArray.from_arrays(pa.array([10**9], pa.int32()), pa.array([1]))}),
    "a run of a long text": lambda: pa.table(
        {"x": pa.RunEndEncodedArray.from_arrays(pa.array([1000], pa.int32()), pa.array([MEGABYTE]))}
    ),
    "shared lists": lambda: pa.table({"x": views(10_000)}),
    "shared lists of shared lists": lambda: pa.table(
        {
            "x": pa.ListViewArray.from_arrays(
                pa.array([0] * 100, pa.int32()), pa.array([100] * 100, pa.int32()), views(100)
            )
        }
    ),
    "shared texts": lambda: pa.table({"x": long_views(1000)}),
    "many columns": lambda: pa.table({str(at): named_often(10) for at in range(30)}),
}


@pytest.mark.parametrize("signature", [Signature(), TENSOR], ids=["frame", "tensor"])
@pytest.mark.parametrize("what", STREAMS)
def test_a_stream_that_stands_for_more_than_it_may_is_refused(what: str, signature: Signature) -> None:
    body = stream(STREAMS[what](), compression="zstd")
    assert len(body) < 2**16
    before = pa.default_memory_pool().bytes_allocated()
    with pytest.raises(PayloadTooLarge, match="would unpack to more than the limit of 268435456 bytes"):
        READERS[ARROW](body).bind(signature)
    assert pa.default_memory_pool().bytes_allocated() - before < MOST_UNPACKED_BYTES


PACKED: dict[str, Any] = {
    "nulls": lambda: READERS[ARROW](stream(pa.table({"x": nulls(10**6)}))),
    "zeros": lambda: READERS[ARROW](stream(pa.table({"x": zeros(pa.int64(), 10**5, 8 * 10**5)}), compression="zstd")),
    "a dictionary": lambda: READERS[ARROW](stream(pa.table({"x": pa.array(["a"] * 9).dictionary_encode()}))),
    "lists": lambda: READERS[ARROW](stream(pa.table({"x": [[1], [2]]}))),
    "no stream": lambda: READERS[ARROW](b"no stream"),
    "Parquet": lambda: READERS[PARQUET](file(pa.table({"x": [1.0]}))),
}


@pytest.mark.parametrize("what", PACKED)
def test_a_body_whose_length_says_little_is_not_read_in_the_event_loop(what: str) -> None:
    assert PACKED[what]().size > INLINE_BYTES


def test_a_body_of_numbers_and_texts_is_as_large_as_it_is() -> None:
    body = stream(
        pa.table({"x": [1.0, None], "y": [True, None], "z": ["a", "b"], "t": pa.array([1, 2], pa.timestamp("s"))})
    )
    assert READERS[ARROW](body).size == len(body)


def nulls_in_parquet() -> bytes:
    return file(pa.table({"x": pa.nulls(2**25 + 1, pa.int8())}))


FILES: dict[str, Any] = {
    "zeros": lambda: file(
        pa.table({"x": zeros(pa.binary(2**20), 260, 260 * 2**20)}), compression="zstd", use_dictionary=False
    ),
    "runs of one number": lambda: file(pa.table({"x": zeros(pa.int8(), 2**25 + 1, 2**25 + 1)})),
    "nulls": nulls_in_parquet,
    "a dictionary": lambda: file(
        pa.table({"x": named_often(1000)}), compression="zstd", dictionary_pagesize_limit=2**22
    ),
    "an unread dictionary": lambda: file(
        pa.table({"x": named_often(1000)}), compression="lz4", dictionary_pagesize_limit=2**22
    ),
    "a dictionary of bytes": lambda: file(
        pa.table({"x": pa.DictionaryArray.from_arrays(np.zeros(1000, np.int32), pa.array([MEGABYTE.encode()]))}),
        compression="zstd",
        dictionary_pagesize_limit=2**22,
        store_schema=False,
        data_page_version="2.0",
    ),
    "prefixes": lambda: file(
        pa.table({"x": named_often(300).cast(pa.string())}),
        compression="zstd",
        use_dictionary=False,
        column_encoding={"x": "DELTA_BYTE_ARRAY"},
        data_page_size=2**30,
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_stands_for_more_than_it_may_is_refused(what: str) -> None:
    body = FILES[what]()
    assert len(body) < 2**18
    before = pa.default_memory_pool().bytes_allocated()
    with pytest.raises(PayloadTooLarge, match="would unpack to more than the limit"):
        READERS[PARQUET](body).bind(Signature())
    assert pa.default_memory_pool().bytes_allocated() - before < MOST_UNPACKED_BYTES


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 127 else bytes([number])


def nested(depth: int) -> bytes:
    """A file without rows whose one column stands within so many groups. A number is written twice as large."""
    group, leaf = b"\x35\x02\x18\x01a\x15\x02\0", b"\x15\x02\x25\x02\x18\x01x\0"
    schema = b"\x19\xfc" + varint(depth + 1) + group * depth + leaf
    footer = b"\x15\x02" + schema + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def test_a_schema_nested_too_deeply_is_refused_and_crashes_nobody() -> None:
    with pytest.raises(InvalidInputs, match="no rows"):
        READERS[PARQUET](nested(50)).bind(Signature())
    with pytest.raises(MalformedRequest):
        READERS[PARQUET](nested(100_000)).bind(Signature())


def test_data_of_that_size_is_read_where_it_is_there_in_full() -> None:
    array = zeros(pa.float32(), 10**7, 4 * 10**7)
    lists = pa.FixedSizeListArray.from_arrays(array, 1000)
    for body, kind in ((stream(pa.table({"x": lists})), ARROW), (file(pa.table({"x": lists})), PARQUET)):
        assert READERS[kind](body).bind(TENSOR).value.parts[0].shape == (10_000, 1000)
