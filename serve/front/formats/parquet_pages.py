"""How much the pages of a Parquet file unpack to, by their own headers; only dictionaries of texts are unpacked.

Source of the format: apache/parquet-format, `parquet.thrift`. What the file's footer says of its sizes may be untrue;
Arrow goes by the pages. Some encodings write a value that repeats, or begins as the one before it, in next to
nothing: there each value counts as long as the longest of its dictionary, or as its page. The footer is read here
too, for Arrow's own account of it (25.0) ends the process where parts of it are damaged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from serve.front.formats import bounds
from serve.front.formats.thrift import Reader

_MAGIC = b"PAR1"
_BYTE_ARRAY, _FIXED_LEN_BYTE_ARRAY = 6, 7
_DICTIONARY_PAGE = 2
_BY_DICTIONARY, _DELTA_BYTE_ARRAY = (2, 8), 7
_CODECS = {0: None, 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_DATA_HEADERS = ((5, 2), (8, 4))  # the fields of a page header that hold a data page's own; where its encoding is
_VALUE_BYTES = 8
_DEEPEST = 100
_LARGE_DICTIONARY_BYTES = 16 * 2**20  # not looked into: writers keep them to about one


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page's header says, and where its data stands; `encoding` is None for a page without values."""

    kind: int
    unpacked: int
    start: int
    end: int
    values: int = 0
    encoding: int | None = None


def require_bounded(body: bytes) -> None:
    """Refuse a file whose columns take more than they may.

    Raises ValueError, KeyError, struct.error or what Arrow raises where it is no whole and valid one.
    """
    footer = _footer(body)
    _require_shallow(footer[2])
    leaves = [one for one in footer[2] if 1 in one and not one.get(5)]  # of the schema, those that are columns
    total = 0
    for group in footer[4]:
        for chunk, leaf in zip(group[1], leaves, strict=True):
            for weight in _weights(body, chunk[3], leaf[1], leaf.get(2) or 0):
                total += weight
                bounds.require(total)


def _footer(body: bytes) -> Mapping[int, Any]:
    start = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    if body[:4] != _MAGIC or body[-4:] != _MAGIC or start < 4:
        raise ValueError("no Parquet")
    return Reader(body[:-8], start).struct()


def _require_shallow(schema: Sequence[Mapping[int, Any]]) -> None:
    """Refuse a schema nested so deeply that Arrow, which reads it by recursion, would run out of stack."""
    missing: list[int] = []  # of each group that is open, how many children are yet to come
    for element in schema:
        while missing and missing[-1] == 0:
            missing.pop()
        if missing:
            missing[-1] -= 1
        missing.append(max(0, element.get(5) or 0))
        if len(missing) > _DEEPEST:
            raise ValueError("nested too deeply")


def _weights(body: bytes, chunk: Mapping[int, Any], type_: int, width: int) -> Iterator[int]:
    """What each page of a column chunk adds, each told before it is unpacked itself."""
    start = chunk[9]
    if 0 < (chunk.get(11) or 0) < start:
        start = chunk[11]
    value = max(_VALUE_BYTES, width if type_ == _FIXED_LEN_BYTE_ARRAY else 0)
    longest = 0
    for page in _pages(body, start, start + chunk[7]):
        yield page.unpacked
        if page.kind == _DICTIONARY_PAGE and type_ == _BYTE_ARRAY:
            longest, count = _longest(body, page, chunk[4])
            yield count * bounds.OBJECT_BYTES
        shared = longest if page.encoding in _BY_DICTIONARY else 0
        yield page.values * (value + (page.unpacked if page.encoding == _DELTA_BYTE_ARRAY else shared))


def _longest(body: bytes, page: _Page, codec: int) -> tuple[int, int]:
    """The length of a dictionary's longest value, or more, and how many values it has."""
    if codec not in _CODECS or page.unpacked > _LARGE_DICTIONARY_BYTES:
        return page.unpacked, 0
    name, data = _CODECS[codec], memoryview(body)[page.start : page.end]
    values = memoryview(pa.Codec(name).decompress(pa.py_buffer(data), page.unpacked)) if name is not None else data
    at, count, longest = 0, 0, 0
    while at < len(values):  # each is its length in four bytes, and then itself
        length = int.from_bytes(values[at : at + 4], "little")
        at, count, longest = at + 4 + length, count + 1, max(longest, length)
    return longest, count


def _pages(body: bytes, start: int, end: int) -> Iterator[_Page]:
    if not 0 <= start <= end <= len(body):
        raise ValueError("a column chunk lies outside of the file")
    reader = Reader(body, start)
    while reader.at < end:
        header = reader.struct()
        if header[2] < 0 or header[3] < 0:
            raise ValueError("a page of negative length")
        page = _Page(header[1], header[2], reader.at, reader.at + header[3])
        yield _with_values(page, header)
        reader.at = page.end


def _with_values(page: _Page, header: Mapping[int, Any]) -> _Page:
    for field, encoding in _DATA_HEADERS:
        if field in header:
            values = max(0, header[field][1])
            return _Page(page.kind, page.unpacked, page.start, page.end, values, header[field][encoding])
    return page
