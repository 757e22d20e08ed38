"""What models take and give: every type of a signature, some items of it, and how those look outside of Python."""

import base64
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: the inputs of a signature, as `MLmodel` records them, and items of each.

    `dtypes` are those that the model receives. `arrow` is how a table of Arrow types the items; `params` are sent too.
    """

    name: str
    inputs: Sequence[Mapping[str, Any]]
    items: Mapping[str | None, Sequence[Any]]
    dtypes: Sequence[str]
    arrow: pa.DataType
    params: Mapping[str, Any] | None = None

    @property
    def tensors(self) -> bool:
        return self.inputs[0]["type"] == "tensor"

    def array(self, name: str | None) -> Array:
        """The items as numpy holds them."""
        items, dtype = self.items[name], self.inputs[list(self.items).index(name)]
        if self.tensors and dtype["tensor-spec"]["dtype"] not in ("str", "bytes"):
            return np.array(items, dtype["tensor-spec"]["dtype"])
        if pa.types.is_nested(self.arrow):
            return np.fromiter(items, object, len(items))
        return np.array(items, _NUMPY.get(dtype["type"]))


_NUMPY = {"integer": "i4", "long": "i8", "float": "f4", "double": "f8", "datetime": "M8[us]"}


def plain(item: Any) -> Any:
    """An item as JSON has it."""
    if isinstance(item, bytes):
        return base64.b64encode(item).decode()
    if isinstance(item, datetime.datetime):
        return item.isoformat()
    if isinstance(item, dict):
        return {key: plain(one) for key, one in item.items()}
    return [plain(one) for one in item] if isinstance(item, list) else item


def column(
    name: str, items: Sequence[Any], dtype: str, arrow: pa.DataType, spec: Mapping[str, Any] | None = None
) -> Kind:
    spec = {"type": name, "name": "x", "required": True, **(spec or {})}
    return Kind(name, [spec], {"x": items}, [dtype], arrow)


def tensor(
    dtype: str, items: Sequence[Any], arrow: pa.DataType, shape: Sequence[int] = (-1,), given: str = "", name: str = ""
) -> Kind:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    return Kind(name or f"tensor of {dtype}", [spec], {None: items}, [given or dtype], arrow)


NOON = datetime.datetime(2024, 5, 31, 12)
LATER = datetime.datetime(2024, 5, 31, 12, 30, 15)
MESSAGE = {"role": {"type": "string", "required": True}, "seen": {"type": "long", "required": False}}
LONGS = {"type": "array", "items": {"type": "long"}}

COLUMNS = (
    column("boolean", [True, False], "bool", pa.bool_()),
    column("integer", [1, -(2**31)], "int32", pa.int32()),
    column("long", [1, 2**62 + 1], "int64", pa.int64()),
    column("float", [0.5, -2.25], "float32", pa.float32()),
    column("double", [0.1, 1e300], "float64", pa.float64()),
    column("string", ["é", "a,b\n"], "string", pa.string()),
    column("binary", [b"\0\xff", b"a"], "object", pa.binary()),
    column("datetime", [NOON, LATER], "datetime64[ns]", pa.timestamp("us")),
    column("optional", [0.5, None], "float64", pa.float64(), {"type": "double", "required": False}),
    column("Array", [[1, 2], []], "object", pa.list_(pa.int64()), LONGS),
    column(
        "Object",
        [{"role": "user", "seen": 2}, {"role": "system", "seen": 3}],
        "object",
        pa.struct({"role": pa.string(), "seen": pa.int64()}),
        {"type": "object", "properties": MESSAGE},
    ),
    column(
        "Map",
        [{"a": 1, "b": 2}, {"c": 3}],
        "object",
        pa.map_(pa.string(), pa.int64()),
        {"type": "map", "values": {"type": "long"}},
    ),
    column("AnyType", [{"a": [1]}, {"a": []}], "object", pa.struct({"a": pa.list_(pa.int64())}), {"type": "any"}),
    column(
        "nested",
        [[{"a": [1]}, {}], []],
        "object",
        pa.list_(pa.map_(pa.string(), pa.list_(pa.int64()))),
        {"type": "array", "items": {"type": "map", "values": LONGS}},
    ),
)
TENSORS = (
    tensor("bool", [True, False], pa.bool_()),
    tensor("int8", [1, -128], pa.int8()),
    tensor("int16", [1, -(2**15)], pa.int16()),
    tensor("int32", [1, -(2**31)], pa.int32()),
    tensor("int64", [1, -(2**63)], pa.int64()),
    tensor("uint8", [1, 255], pa.uint8()),
    tensor("uint16", [1, 2**16 - 1], pa.uint16()),
    tensor("uint32", [1, 2**32 - 1], pa.uint32()),
    tensor("uint64", [1, 2**64 - 1], pa.uint64()),
    tensor("float16", [0.5, -2], pa.float16()),
    tensor("float32", [0.5, -2.25], pa.float32()),
    tensor("float64", [0.1, 1e300], pa.float64()),
    tensor("str", ["é", "a,b\n"], pa.string(), given="str"),
    tensor("bytes", [b"ab", b"c"], pa.binary(), given="bytes"),
    tensor("datetime64[ns]", [NOON, LATER], pa.timestamp("us")),
    tensor(
        "float32",
        [[[0.5, 1.5]], [[2.5, 3.5]]],
        pa.list_(pa.list_(pa.float32())),
        shape=(-1, 1, 2),
        name="tensor of rank 3",
    ),
    Kind(
        "named tensors",
        [{"type": "tensor", "name": one, "tensor-spec": {"dtype": "int64", "shape": [-1]}} for one in ("a", "b")],
        {"a": [1, 2], "b": [3, 4]},
        ["int64", "int64"],
        pa.int64(),
    ),
)
PARAMS = (
    Kind(
        "params",
        [{"type": "long", "name": "x", "required": True}],
        {"x": [1, 2]},
        ["int64"],
        pa.int64(),
        params={"count": 3, "share": 0.5, "word": "é", "sure": True},
    ),
    Kind(
        "a list as param",
        [{"type": "long", "name": "x", "required": True}],
        {"x": [1, 2]},
        ["int64"],
        pa.int64(),
        params={"stops": ["a", "b"]},
    ),
)
KINDS = {kind.name: kind for kind in (*COLUMNS, *TENSORS, *PARAMS)}
