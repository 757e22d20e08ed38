"""How much the pages of a Parquet file unpack to, by their own headers, without unpacking them.

Source of the format: apache/parquet-format, `parquet.thrift`. What the file's footer says of its sizes may be untrue;
Arrow goes by the pages. Some encodings write a value that repeats, or begins as the one before it, in next to
nothing: there each value counts as long as its page, or its dictionary, allows. The footer is read here too, for
Arrow's own account of it (25.0) ends the process where parts of it are damaged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serve.front.formats.thrift import Reader

_MAGIC = b"PAR1"
_BYTE_ARRAY, _FIXED_LEN_BYTE_ARRAY = 6, 7
_DICTIONARY_PAGE, _DELTA_BYTE_ARRAY = 2, 7
_TEXTS = (None, 0, 4)  # converted types that are, or may be, no more than bytes: none, UTF8, ENUM
_TEXT = {1, 4}  # the same of logical types: STRING, ENUM
_DATA_HEADERS = ((5, 2), (8, 4))  # the fields of a page header that hold a data page's own; where its encoding is
_VALUE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Leaf:
    """One column as it is stored. `shared`: Arrow can read its values as a dictionary, each that repeats once."""

    type: int
    length: int
    shared: bool


def footer(body: bytes) -> Mapping[int, Any]:
    """The file's metadata as it stands; ValueError, IndexError or struct.error where there is none."""
    if body[:4] != _MAGIC or body[-4:] != _MAGIC:
        raise ValueError("no Parquet")
    start = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    if start < 4:
        raise ValueError("no footer")
    return Reader(body[:-8], start).struct()


def leaves(metadata: Mapping[int, Any]) -> list[Leaf]:
    """The file's columns in their order."""
    return [
        Leaf(
            one[1], one.get(2) or 0, one[1] == _BYTE_ARRAY and one.get(6) in _TEXTS and set(one.get(10, _TEXT)) <= _TEXT
        )
        for one in metadata[2]
        if 1 in one and not one.get(5)
    ]


def unpacked(body: bytes, metadata: Mapping[int, Any]) -> int:
    """The bytes that all columns take; KeyError and the like where the pages are not where the footer says."""
    columns = leaves(metadata)
    return sum(
        _chunk(body, chunk[3], leaf) for group in metadata[4] for chunk, leaf in zip(group[1], columns, strict=True)
    )


def _chunk(body: bytes, chunk: Mapping[int, Any], leaf: Leaf) -> int:
    start = chunk[9]
    if 0 < (chunk.get(11) or 0) < start:
        start = chunk[11]
    total, dictionary = 0, 0
    for page in _pages(body, start, start + chunk[7]):
        total += page.unpacked
        if page.kind == _DICTIONARY_PAGE:
            dictionary += page.unpacked
        value = max(_VALUE_BYTES, leaf.length if leaf.type == _FIXED_LEN_BYTE_ARRAY else 0)
        if page.encoding == _DELTA_BYTE_ARRAY:
            value += page.unpacked
        elif leaf.type == _BYTE_ARRAY and not leaf.shared:
            value += dictionary
        total += page.values * value
    return total


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page's header says: `values` is 0 for a dictionary."""

    kind: int
    unpacked: int
    values: int
    encoding: int


def _pages(body: bytes, start: int, end: int) -> Iterator[_Page]:
    if not 0 <= start <= end <= len(body):
        raise ValueError("a column chunk lies outside of the file")
    reader = Reader(body, start)
    while reader.at < end:
        header = reader.struct()
        yield _page(header)
        if header[3] < 0:
            raise ValueError("a page of negative length")
        reader.at += header[3]


def _page(header: Mapping[int, Any]) -> _Page:
    kind, size = header[1], header[2]
    if size < 0:
        raise ValueError("a page of negative length")
    for field, encoding in _DATA_HEADERS:
        if field in header:
            return _Page(kind, size, max(0, header[field][1]), header[field][encoding])
    return _Page(kind, size, 0, -1)
