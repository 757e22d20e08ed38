"""numpy's own format, `.npy` 1.0 to 3.0: one array, or one of records, whose fields are columns. Never pickle.

Source of the format: numpy/lib/format.py. A body holds its header and exactly the bytes that it announces. The
array is a view of them where numpy can work on it as it is, else a copy: little-endian, row by row.
"""

import ast
import io
import math
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from serve.child.wire import BASE64, JSON, Part, Value
from serve.errors import MalformedRequest, NotAcceptable
from serve.front.formats import columns
from serve.front.formats.columns import Array
from serve.signature.binding import Bound, bind_arrays
from serve.signature.spec import Signature

_MAGIC = b"\x93NUMPY"
_VERSIONS = {1: ("<H", "latin-1"), 2: ("<I", "latin-1"), 3: ("<I", "utf-8")}
_MOST_HEADER_BYTES = 10_000  # numpy's own bound: Python's parser takes long, and much memory, over long text
_ELSEWHERE = "ask for it in another format than application/x-npy"
_KINDS = "biufcmMSU"


@dataclass(frozen=True, slots=True)
class NpyReading:
    """A body of one array."""

    body: bytes

    @property
    def size(self) -> int:
        return len(self.body)

    def bind(self, signature: Signature) -> Bound:
        array = read(self.body)
        if array.dtype.names is None:
            return bind_arrays({None: array}, {}, signature, "npy")
        return columns.bind({name: _plain(array[name]) for name in array.dtype.names}, signature, "npy")


def read(body: bytes) -> Array:
    """The array in a body, or `MalformedRequest`."""
    if not body.startswith(_MAGIC):
        raise MalformedRequest("the body is no .npy file, as numpy.save writes it")
    try:
        dtype, shape, fortran, start = _header(body)
    except Exception:  # the text of a header can fail to be read in many ways, none of them ours
        raise MalformedRequest(
            "the header of the .npy file can't be read, or is not of version 1.0, 2.0 or 3.0"
        ) from None
    _require_plain(dtype)
    count = math.prod(shape)
    if len(body) - start != count * dtype.itemsize or max(shape, default=0) > len(body):
        told = f"announces {count} items of {dtype.itemsize} bytes, and {len(body) - start} bytes follow"
        raise MalformedRequest(f"the header of the .npy file {told}")
    array = np.frombuffer(body, dtype, count, start).reshape(shape, order="F" if fortran else "C")
    return array if dtype.names is not None else _plain(array)


def _header(body: bytes) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """What the header says, and where the data starts."""
    size, encoding = _VERSIONS[body[6]]
    (length,) = struct.unpack_from(size, body, 8)
    start = 8 + struct.calcsize(size)
    end = start + length
    if body[7] != 0 or length > _MOST_HEADER_BYTES or end > len(body):
        raise ValueError("unreadable")
    with warnings.catch_warnings():  # of odd text, which would stand among the lines of the log
        warnings.simplefilter("ignore")
        header: Mapping[str, Any] = ast.literal_eval(body[start:end].decode(encoding).strip())
    shape = tuple(header["shape"])
    if not all(type(one) is int and one >= 0 for one in shape) or type(header["fortran_order"]) is not bool:
        raise ValueError("unreadable")
    return np.lib.format.descr_to_dtype(header["descr"]), shape, header["fortran_order"], end


def _require_plain(dtype: np.dtype[Any]) -> None:
    """Refuse what is no value, or would have to be unpickled."""
    for kind, place in [(dtype.base, "")] if dtype.names is None else _fields(dtype):
        if kind.kind not in _KINDS:
            what = "Python objects, which are never unpickled" if kind.hasobject else "raw or nested records"
            told = f"the .npy file holds {what}{place}; it may hold numbers, booleans, dates, strings and bytes"
            raise MalformedRequest(told)
        if kind.itemsize == 0:
            raise MalformedRequest(f"the .npy file holds items of 0 bytes{place}")


def _fields(dtype: np.dtype[Any]) -> list[tuple[np.dtype[Any], str]]:
    assert dtype.names is not None
    return [(dtype[name].base, f" in its field {at}") for at, name in enumerate(dtype.names)]


def _plain(array: Array) -> Array:
    """The array in row-major order and this machine's byte order, with nothing in it that numpy could not have made."""
    dtype = array.dtype.newbyteorder("=")
    plain = np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)
    if dtype.kind == "U":
        points = plain.view(np.uint32) if plain.ndim else plain.reshape(1).view(np.uint32)
        if ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any():
            raise MalformedRequest("the .npy file holds a string that is no Unicode")
    if dtype.kind == "b" and (plain.view(np.uint8) > 1).any():
        raise MalformedRequest("the .npy file holds a boolean that is neither 0 nor 1")
    return plain


def write(value: Value, _: Signature) -> bytes:
    """The answer as one array, a table as one of records; `NotAcceptable` where it is none of numbers or dates."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, _array(value), allow_pickle=False)
    return stream.getvalue()


def _array(value: Value) -> Array:
    if value.kind == "frame" or value.parts[0].name is not None:
        return _records(value.parts)
    (part,) = value.parts
    if part.dtype not in (JSON, BASE64):
        return _numbers(part)
    try:
        array = np.array(orjson.loads(bytes(part.data)))
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf" or part.dtype == BASE64:
        raise NotAcceptable(f"the model's answer is no array of numbers: {_ELSEWHERE}")
    return array.reshape(part.shape) if value.kind != "json" else array


def _records(parts: Sequence[Part]) -> Array:
    """Arrays of one length as an array of records, each a field."""
    if any(part.dtype in (JSON, BASE64) for part in parts) or len({part.shape[:1] for part in parts} | {()}) != 2:
        raise NotAcceptable(f"the model's answer is no table of numbers: {_ELSEWHERE}")
    arrays = {str(part.name): _numbers(part) for part in parts}
    records = np.empty(parts[0].shape[0], [(name, one.dtype, one.shape[1:]) for name, one in arrays.items()])
    for name, one in arrays.items():
        records[name] = one
    return records


def _numbers(part: Part) -> Array:
    return np.frombuffer(part.data, dtype=part.dtype).reshape(part.shape)
