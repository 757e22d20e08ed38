"""How a client writes a kind's items and reads its answer: one route a dialect and format. No server: see `served`."""

import base64
import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from serve.front.grpc import open_inference_pb2 as pb
from tests.types.kinds import Kind, plain

Items = list[list[Any]]  # of each input, or output

NAMELESS = "x"  # a column of a table must have a name


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, and how the items are written in it, for the table; `headers` beside the content type."""

    content: Any
    shown: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """`write` makes a body of a kind's items, `read` takes the items out of an answer's."""

    name: str
    content_type: str
    write: Callable[[Kind], Body]
    read: Callable[[Kind, Any, Mapping[str, str]], Items]
    takes_params: bool = False


def as_json(kind: Kind) -> Items:
    """Bytes as base64; in a tensor as they are, for there MLflow takes a text for its bytes."""
    if kind.tensors and kind.arrow == pa.binary():
        return [[item.decode() for item in items] for items in kind.items.values()]
    return [[plain(item) for item in items] for items in kind.items.values()]


def normal(kind: Kind, items: Items) -> Items:
    """The items as Python has them, of whatever an answer wrote: for missing ones None, for dates datetimes."""
    return [[_normal(kind, item) for item in one] for one in items]


def _normal(kind: Kind, item: Any) -> Any:
    if item is None or item in ("", "nan") or item != item:
        return None
    if pa.types.is_floating(kind.arrow):
        return float(item)
    if pa.types.is_timestamp(kind.arrow):
        return np.datetime64(item, *(["ns"] if isinstance(item, int) else [])).astype("M8[us]").item()
    if kind.arrow == pa.binary() and isinstance(item, str):
        return base64.b64decode(item)
    if isinstance(item, str) and kind.arrow != pa.string():
        return orjson.loads(item)
    return _without_nulls(item)


def _without_nulls(item: Any) -> Any:
    """Arrow's structs have all of the keys that any of their column has."""
    if isinstance(item, dict):
        return {key: _without_nulls(one) for key, one in item.items() if one is not None}
    return [_without_nulls(one) for one in item] if isinstance(item, list) else item


def as_python(kind: Kind) -> Items:
    return [list(items) for items in kind.items.values()]


def telling(kind: Kind) -> int:
    """Which of the items is shown: the longest."""
    texts = [shown(item) for item in as_json(kind)[0]]
    return texts.index(max(texts, key=len))


def write_json(kind: Kind) -> Body:
    named = dict(zip(kind.items, as_json(kind), strict=True))
    form = "inputs" if kind.tensors else "dataframe_records"
    data: Any = named.get(None, named) if kind.tensors else [{"x": item} for item in named["x"]]
    body = {form: data} | ({"params": kind.params} if kind.params else {})
    return Body(orjson.dumps(body), shown(kind.params or as_json(kind)[0][telling(kind)]))


def read_json(kind: Kind, body: bytes, _: Mapping[str, str]) -> Items:
    found = orjson.loads(body)["predictions"]
    if not kind.tensors:
        return [[row["x"] for row in found]]
    return [found] if None in kind.items else [found[name] for name in kind.items]


def cells(kind: Kind) -> Items:
    return [[cell(item) for item in items] for items in as_json(kind)]


def cell(item: Any) -> str:
    if isinstance(item, str):
        return item
    return "" if item is None else shown(item)


def shown(item: Any) -> str:
    return orjson.dumps(item).decode()


def write_csv(kind: Kind) -> Body:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(name or NAMELESS for name in kind.items)
    rows.writerows(zip(*cells(kind), strict=True))
    return Body(text.getvalue().encode(), cells(kind)[0][telling(kind)])


def read_csv(kind: Kind, body: bytes, _: Mapping[str, str]) -> Items:
    _, *rows = csv.reader(io.StringIO(body.decode(), newline=""))
    return [list(column) for column in zip(*rows, strict=True)]


def table(kind: Kind) -> pa.Table:
    return pa.table({name or NAMELESS: pa.array(items, kind.arrow) for name, items in kind.items.items()})


def write_parquet(kind: Kind) -> Body:
    sink = io.BytesIO()
    pq.write_table(table(kind), sink)
    return Body(sink.getvalue(), str(kind.arrow))


def read_parquet(kind: Kind, body: bytes, _: Mapping[str, str]) -> Items:
    return of_table(kind, pq.read_table(io.BytesIO(body)))


def write_arrow(kind: Kind) -> Body:
    sink = pa.BufferOutputStream()
    made = table(kind)
    with pa.ipc.new_stream(sink, made.schema) as stream:
        stream.write_table(made)
    return Body(bytes(sink.getvalue()), str(kind.arrow))


def read_arrow(kind: Kind, body: bytes, _: Mapping[str, str]) -> Items:
    return of_table(kind, pa.ipc.open_stream(body).read_all())


def of_table(kind: Kind, found: pa.Table) -> Items:
    return [one.to_pylist(maps_as_pydicts="strict") for one in found.columns]


def write_npy(kind: Kind) -> Body:
    named = {name: kind.array(name) for name in kind.items}
    array = named.get(None)
    if array is None:
        array = np.zeros(len(next(iter(named.values()))), [(str(name), one.dtype) for name, one in named.items()])
        for name, one in named.items():
            array[str(name)] = one
    sink = io.BytesIO()
    np.save(sink, array)
    return Body(sink.getvalue(), next(iter(named.values())).dtype.str.lstrip("<|"))


def read_npy(kind: Kind, body: bytes, _: Mapping[str, str]) -> Items:
    array = np.load(io.BytesIO(body))
    return [array.tolist()] if array.dtype.names is None else [array[name].tolist() for name in array.dtype.names]


def datatype(kind: Kind) -> str:
    """What the Open Inference Protocol calls the items."""
    type_ = innermost(kind.arrow) if kind.tensors else kind.arrow
    return _DATATYPES.get(type_, "BYTES")


def innermost(type_: pa.DataType) -> pa.DataType:
    return innermost(type_.value_type) if pa.types.is_list(type_) else type_


_DATATYPES = {
    pa.bool_(): "BOOL",
    **{getattr(pa, f"int{bits}")(): f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{bits}")(): f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"float{bits}")(): f"FP{bits}" for bits in (16, 32, 64)},
}


def elements(kind: Kind) -> list[list[Any]]:
    """What each input's tensor holds, in row-major order: of BYTES texts, JSON's where a value is no text itself."""
    return [np.ravel(np.array(one, object)).tolist() if nested(kind) else one for one in of_tensors(kind)]


def nested(kind: Kind) -> bool:
    return kind.tensors and pa.types.is_list(kind.arrow)


def of_tensors(kind: Kind) -> Items:
    if kind.tensors or not pa.types.is_nested(kind.arrow):
        return as_json(kind)
    return [[shown(item) for item in items] for items in as_json(kind)]


def shape(kind: Kind) -> list[int]:
    return list(np.array(next(iter(kind.items.values())), float).shape) if nested(kind) else [2]


def written(kind: Kind) -> str:
    """The datatype, and what is in it where that does not say it."""
    if datatype(kind) != "BYTES":
        return datatype(kind)
    if pa.types.is_nested(kind.arrow):
        return "BYTES, JSON"
    return {pa.binary(): "BYTES", pa.string(): "BYTES"}.get(kind.arrow, "BYTES, ISO 8601")


def names(kind: Kind) -> list[str]:
    return [name or "input-0" for name in kind.items]


def reshaped(kind: Kind, flat: list[Any]) -> list[Any]:
    return np.array(flat, object).reshape(shape(kind)).tolist() if nested(kind) else flat


def write_v2_json(kind: Kind) -> Body:
    described = {"shape": shape(kind), "datatype": "FP32" if datatype(kind) == "FP16" else datatype(kind)}
    inputs = [{"name": name, "data": data} | described for name, data in zip(names(kind), elements(kind), strict=True)]
    body = {"inputs": inputs} | ({"parameters": kind.params} if kind.params else {})
    return Body(orjson.dumps(body), shown(kind.params) if kind.params else written(kind))


def read_v2_json(kind: Kind, body: bytes, _: Mapping[str, str]) -> Items:
    return [reshaped(kind, one["data"]) for one in orjson.loads(body)["outputs"]]


def raw(kind: Kind) -> list[bytes]:
    """Each tensor's bytes: numbers little-endian, of BYTES each after its length."""
    found = []
    for name, items in zip(kind.items, elements(kind), strict=True):
        if datatype(kind) != "BYTES":
            found.append(kind.array(name).tobytes())
            continue
        texts = list(kind.items[name]) if kind.arrow == pa.binary() else [item.encode() for item in items]
        found.append(b"".join(len(text).to_bytes(4, "little") + text for text in texts))
    return found


def of_raw(kind: Kind, tensor: bytes) -> list[Any]:
    if datatype(kind) != "BYTES":
        return reshaped(kind, np.frombuffer(tensor, kind.array(next(iter(kind.items))).dtype).tolist())
    found, at = [], 0
    while at < len(tensor):
        size = int.from_bytes(tensor[at : at + 4], "little")
        found.append(tensor[at + 4 : at + 4 + size])
        at += 4 + size
    return found if kind.arrow == pa.binary() else [one.decode() for one in found]


def write_v2_binary(kind: Kind) -> Body:
    tensors = raw(kind)
    inputs = [
        {
            "name": name,
            "shape": shape(kind),
            "datatype": datatype(kind),
            "parameters": {"binary_data_size": len(tensor)},
        }
        for name, tensor in zip(names(kind), tensors, strict=True)
    ]
    head = orjson.dumps({"inputs": inputs, "parameters": {"binary_data_output": True, **(kind.params or {})}})
    headers = {"inference-header-content-length": str(len(head))}
    return Body(head + b"".join(tensors), shown(kind.params) if kind.params else written(kind), headers)


def read_v2_binary(kind: Kind, body: bytes, headers: Mapping[str, str]) -> Items:
    at = int(headers["inference-header-content-length"])
    found: Items = []
    for one in orjson.loads(body[:at])["outputs"]:
        size = one["parameters"]["binary_data_size"]
        assert one["datatype"] == datatype(kind)
        found.append(of_raw(kind, body[at : at + size]))
        at += size
    return found


def write_grpc(kind: Kind) -> Body:
    message = pb.ModelInferRequest(model_name="echo", raw_input_contents=raw(kind))
    for name in names(kind):
        message.inputs.add(name=name, datatype=datatype(kind), shape=shape(kind))
    for name, value in (kind.params or {}).items():
        choice = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
        text = value if type(value) in choice else shown(value)
        setattr(message.parameters[name], choice[type(text)], text)
    return Body(message.SerializeToString(), shown(kind.params) if kind.params else written(kind))


def read_grpc(kind: Kind, body: bytes, _: Mapping[str, str]) -> Items:
    message = pb.ModelInferResponse.FromString(body)
    assert {one.datatype for one in message.outputs} == {datatype(kind)}
    return [of_raw(kind, tensor) for tensor in message.raw_output_contents]


JSON = Format("JSON", "application/json", write_json, read_json, takes_params=True)
CSV = Format("CSV", "text/csv", write_csv, read_csv)
PARQUET = Format("Parquet", "application/vnd.apache.parquet", write_parquet, read_parquet)
ARROW = Format("Arrow", "application/vnd.apache.arrow.stream", write_arrow, read_arrow)
NPY = Format(".npy", "application/x-npy", write_npy, read_npy)
V2_JSON = Format("JSON", "application/json", write_v2_json, read_v2_json, takes_params=True)
V2_BINARY = Format("binary", "application/octet-stream", write_v2_binary, read_v2_binary, takes_params=True)
GRPC = Format("gRPC", "application/grpc", write_grpc, read_grpc, takes_params=True)
ROUTES = {
    "/predict": (JSON, CSV, PARQUET, ARROW, NPY),
    "/invocations": (JSON, CSV, PARQUET, ARROW, NPY),
    "/v2": (V2_JSON, V2_BINARY, GRPC),
}
