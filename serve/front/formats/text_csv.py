"""CSV (RFC 4180), in and out: UTF-8, a header of the columns' names, then a row a line. Blank lines are passed over.

The signature says what each column holds. An empty cell is null. Numbers are read strictly, booleans are `true` or
`false` (or Python's `True`, `False`), bytes base64, dates ISO 8601, values of nested types JSON. A model without a
signature gets integers, fractions or booleans where all of a column are, else strings.
Out, null and NaT are empty; NaN and infinities are `nan`, `inf` and `-inf`, as numpy and pandas read them.
"""

import base64
import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import orjson

from serve.child.wire import Value
from serve.errors import MalformedRequest
from serve.front.formats import answers, columns
from serve.front.formats.columns import Array
from serve.signature.binding import Bound
from serve.signature.flaws import Flaws
from serve.signature.spec import Column, Signature, TensorSpec

csv.field_size_limit(2**31 - 1)  # for the whole process, but there is no other CSV in it; a body has its own bound
_ROWS_AT_ONCE = 10_000

_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_TRUTHS = {"true": True, "True": True, "false": False, "False": False}


@dataclass(frozen=True, slots=True)
class CsvReading:
    """A body of one table."""

    body: bytes

    @property
    def size(self) -> int:
        return len(self.body)

    def bind(self, signature: Signature) -> Bound:
        names, cells = read(self.body)
        flaws = Flaws()
        kinds = _kinds(names, signature)
        named: dict[str | None, Array] = {
            name: kind.array(name, column, flaws) for name, column, kind in zip(names, cells, kinds, strict=True)
        }
        flaws.refuse()
        return columns.bind(named, signature, "csv", layout="rows")


def read(body: bytes) -> tuple[list[str], list[list[str]]]:
    """The header's names and each column's cells, or `MalformedRequest`."""
    try:
        rows = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next((row for row in rows if row), [])
        _require_names(names)
        return names, _columns(rows, names)
    except UnicodeDecodeError:
        raise MalformedRequest("the body is not UTF-8, as CSV must be") from None
    except csv.Error as error:  # which says what it misses, and none of the data
        raise MalformedRequest(f"the body is not CSV: {error} in line {rows.line_num}") from None


def _require_names(names: Sequence[str]) -> None:
    if not names:
        raise MalformedRequest("the body is empty: CSV begins with a header of the columns' names")
    if "" in names:
        told = f"the header gives no name to its column {names.index('')}: write pandas' frames with index=False"
        raise MalformedRequest(told)
    if len(set(names)) < len(names):
        raise MalformedRequest("the header names a column twice")


def _columns(rows: Iterator[list[str]], names: Sequence[str]) -> list[list[str]]:
    """The cells by column. Some rows at a time, for a row as a list takes more room than its text."""
    columns: list[list[str]] = [[] for _ in names]
    filled = (row for row in rows if row)
    while some := list(islice(filled, _ROWS_AT_ONCE)):
        for at, row in enumerate(some):
            if len(row) != len(names):
                place = f"csv[{len(columns[0]) + at}]"
                raise MalformedRequest(f"{place} has {len(row)} cells, and the header {len(names)}")
        for column, cells in zip(columns, zip(*some, strict=True), strict=True):
            column.extend(cells)
    return columns


def _truth(cell: str) -> bool:
    return _TRUTHS[cell]


def _integer(cell: str) -> int:
    if _INTEGER.fullmatch(cell) is None:  # Python's own would take 1_000 and other scripts' digits
        raise ValueError
    return int(cell)


def _number(cell: str) -> float:
    if _NUMBER.fullmatch(cell) is None:
        raise ValueError
    number = float(cell)
    if math.isinf(number) and "n" not in cell.lower():
        raise ValueError
    return number


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a column's cells are: how one is read, what it is called, the signature's word; a tensor's dtype."""

    read: Callable[[str], Any]
    called: str
    word: str
    dtype: np.dtype[Any] | None = None

    def array(self, name: str, cells: Sequence[str], flaws: Flaws) -> Array:
        """The cells as Python's values, null as None; in a tensor's dtype where there is one."""
        items: list[Any] = []
        read = True
        for at, cell in enumerate(cells):
            try:
                items.append(self.read(cell) if cell else None)
            except (ValueError, KeyError):
                told = f"is no {self.called}; the model takes {self.word} there"
                flaws.add(f"csv[{at}].{name}", told)
                read = False
        return self._typed(items, name, flaws) if read and self.dtype is not None else _objects(items)

    def _typed(self, items: Sequence[Any], name: str, flaws: Flaws) -> Array:
        assert self.dtype is not None
        if None in items and self.dtype.kind in "biu":
            place = f"csv[{items.index(None)}].{name}"
            flaws.add(place, f"is empty; the model takes {self.word} there")
            return _objects(items)
        items = [math.nan if item is None else item for item in items]
        array = _as(items, self.dtype)
        if array is None:
            at = next(at for at, item in enumerate(items) if _as(item, self.dtype) is None)
            flaws.add(f"csv[{at}].{name}", f"is a number outside the range of {self.word}")
        return array if array is not None else _objects(items)


def _as(items: Any, dtype: np.dtype[Any]) -> Array | None:
    """In that dtype; None where one does not fit."""
    try:
        with np.errstate(over="raise"):
            return np.array(items, dtype=dtype)
    except (OverflowError, FloatingPointError):
        return None


def _objects(items: Sequence[Any]) -> Array:
    return np.fromiter(items, dtype=object, count=len(items))


class _Natural(_Kind):
    """Of a column that no signature describes."""

    def array(self, name: str, cells: Sequence[str], flaws: Flaws) -> Array:
        for read in (_integer, _number, _truth):
            try:
                items = [read(cell) if cell else None for cell in cells]
            except (ValueError, KeyError):
                continue
            return _objects(items) if None in items and read is not _number else _own(items)
        return _objects([cell or None for cell in cells])


def _own(items: Sequence[Any]) -> Array:
    """In the dtype of the values themselves; integers beyond 64 bits as fractions."""
    array = np.array(items, dtype=float if None in items else None)
    return array if array.dtype.kind in "biuf" else array.astype(float)


_TEXT = _Kind(str, "text", "text")
_NATURAL = _Natural(str, "text", "text")
_READS: dict[str, tuple[Callable[[str], Any], str]] = {
    "boolean": (_truth, "boolean (true or false)"),
    "integer": (_integer, "whole number"),
    "long": (_integer, "whole number"),
    "float": (_number, "number"),
    "double": (_number, "number"),
}
_TENSORS = {"b": "boolean", "i": "long", "u": "long", "f": "double", "c": "double"}  # read as such, by numpy's kinds


def _kinds(names: Sequence[str], signature: Signature) -> list[_Kind]:
    """What each column holds. One that the signature does not know is text: the binding will refuse it."""
    if not signature.checked_here:
        return [_NATURAL] * len(names)
    specs: Sequence[Column | TensorSpec] = signature.columns or signature.tensors
    if specs[0].name is not None:
        known = {spec.name: _kind(spec) for spec in specs}
        return [known.get(name, _TEXT) for name in names]
    if len(specs) == 1 and signature.tensors:
        return [_kind(specs[0])] * len(names)
    return [_kind(spec) for spec, _ in zip(specs, names, strict=False)] + [_TEXT] * (len(names) - len(specs))


def _kind(spec: Column | TensorSpec) -> _Kind:
    if isinstance(spec, TensorSpec):
        dtype = np.dtype(spec.dtype)
        word = _TENSORS.get(dtype.kind)
        return _Kind(*_READS[word], dtype.name, dtype) if word is not None else _TEXT
    read = _READS.get(spec.type) if isinstance(spec.type, str) else None
    return _Kind(*read, str(spec.type)) if read is not None else _TEXT


def write(value: Value, signature: Signature) -> bytes:
    """The answer as a table."""
    named = answers.table(value, signature)
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(named)
    rows.writerows(zip(*map(_cells, named.values()), strict=True))
    return text.getvalue().encode()


def _cells(column: answers.Column) -> Sequence[Any]:
    if isinstance(column, np.ndarray) and column.ndim == 1:
        if column.dtype.kind == "M":
            return ["" if text == "NaT" else text for text in np.datetime_as_string(column).tolist()]
        if column.dtype.kind == "f":  # numpy writes no more digits than the dtype has
            return list(column.astype(np.str_).tolist())
    return [_cell(item) for item in column]


def _cell(item: Any) -> Any:
    if item is None:
        return ""
    if isinstance(item, bool | np.bool_):
        return "true" if item else "false"
    if isinstance(item, bytes):
        return base64.b64encode(item).decode()
    if isinstance(item, list | dict | np.ndarray):
        return orjson.dumps(item, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return item
