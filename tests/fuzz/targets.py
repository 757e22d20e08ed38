"""Row E-20: what reads bytes that somebody else wrote. Each is to read them, or to refuse them in its own way."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from serve.artifact import listing, pin
from serve.child import wire
from serve.child.wire import Part, Value
from serve.errors import ListingRefused, NotAcceptable, PinUnreadable, RequestRejected
from serve.front.formats.accept import choose
from serve.front.formats.mlflow_json import JsonReading
from serve.front.formats.npy import NpyReading
from serve.front.formats.text_csv import CsvReading
from serve.front.open_inference.body import BodyReading
from serve.front.schemas.invocations import MlflowReading
from serve.request import Reading
from serve.signature.spec import parse

MOST_BYTES = 2**20  # that a frame may announce here, or a body unpack to


@dataclass(frozen=True)
class Target:
    """`run` raises where it must not; `words` are what its inputs are made of."""

    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def _signature(inputs: object, params: object = None) -> object:
    recorded = {"inputs": json.dumps(inputs), "outputs": None, "params": json.dumps(params) if params else None}
    return parse(recorded)


_FIELDS = {"a": {"type": "long", "required": True}, "b": {"type": "array", "items": {"type": "string"}}}
SIGNATURES = [
    _signature([{"type": "double", "name": name} for name in ("x", "y")]),
    _signature(
        [
            {"type": "string", "name": "s"},
            {"type": "long", "name": "n", "required": False},
            {"type": "datetime", "name": "d", "required": False},
            {"type": "binary", "name": "b", "required": False},
            {"type": "object", "name": "o", "properties": _FIELDS, "required": False},
            {"type": "map", "name": "m", "values": {"type": "any"}, "required": False},
        ],
        [{"name": "k", "type": "long", "default": 1, "shape": None}],
    ),
    _signature([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]),
    parse(None),
]

_JSON = (
    b'{"inputs": {"x": [1.0, 2.0], "y": [3, null]}}',
    b'{"inputs": [{"x": 1.5, "y": -2e3}]}',
    b'{"instances": [[1.0, 2.0], [3.0, 4.0]]}',
    b'{"dataframe_split": {"columns": ["x", "y"], "index": [0], "data": [[1, 2]]}}',
    b'{"dataframe_records": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}',
    b'{"inputs": [{"s": "\\u00e9", "n": 1, "d": "2024-05-31T12:00:00", "b": "AAE=", "o": {"a": 1, "b": ["c"]}, '
    b'"m": {"k": [1, {}]}}], "params": {"k": 2}}',
    b'{"messages": [{"role": "user", "content": "hello"}], "temperature": 0.5}',
    b'{"prompt": ["a", "b"], "max_tokens": 3}',
    b'{"inputs": {"s": ["a", NaN], "n": [1, null], "m": [{"k": Infinity}, {"l": 1000000000000000000000}]}}',
    b'{"dataframe_split": {"columns": ["s"], "data": [["\\udc00"], [NaN]]}}',
)
_JSON_WORDS = (
    b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"null", b"true", b"[]", b"{}", b'"x":', b'"inputs":',
    b'"params":', b'"dataframe_split":', b'"columns":', b'"data":', b'"instances":', b'"index":', b"\\ud800",
    b'"__proto__":', b"[" * 70,
)  # fmt: skip

_TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32"}
_INFER = (
    json.dumps({"id": "1", "inputs": [{**_TENSOR, "data": [1.0, 2.0]}]}).encode(),
    json.dumps({"inputs": [{**_TENSOR, "datatype": "BYTES", "shape": [1], "data": ["a"]}], "outputs": []}).encode(),
    json.dumps({"inputs": [{**_TENSOR, "parameters": {"binary_data_size": 8}}]}).encode() + b"\0" * 8,
    json.dumps({"inputs": [{**_TENSOR, "data": [[1, 2]]}], "parameters": {"timeout": 5, "k": 1}}).encode(),
)
_INFER_WORDS = (
    *_JSON_WORDS,
    b'"shape":',
    b'"datatype":',
    b'"FP64"',
    b'"BYTES"',
    b'"BOOL"',
    b'"parameters":',
    b'"data":',
)


def _bound(read: Callable[[bytes], Reading]) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        signature = SIGNATURES[crc32(data) % len(SIGNATURES)]
        try:
            return read(data).bind(signature)  # type: ignore[arg-type]
        except RequestRejected:
            return None

    return run


def _infer(data: bytes) -> Reading:
    drawn = crc32(data) >> 8
    encoding = ("", "", "", "gzip", "deflate")[drawn % 5]
    json_length = (None, None, 0, len(data) - 8, 20)[drawn // 5 % 5]
    return BodyReading(data, max(0, json_length) if json_length is not None else None, encoding, MOST_BYTES)


def _pin(data: bytes) -> object:
    try:
        found = pin.read(data)
    except PinUnreadable:
        return None
    assert pin.read(pin.write(found)) == found
    return found


_PINNED = pin.Pin(
    "0" * 32 + ".dir", 10, 2, (pin.PinnedModel("digits", f"sha256:{'a' * 64}", "run", {"accuracy": 0.5}),)
)
_YAML_WORDS = (
    b"\n", b"  ", b": ", b"- ", b"&a ", b"*a", b"!!python/object:os.system ", b"<<: ", b"|", b">", b"'", b'"', b"{",
    b"}", b"[", b"]", b"#", b"---\n", b"%YAML 1.1\n", b"\t", b"..", b"~", b"models", b"outs", b"meta", b"\xef\xbb\xbf",
    b"\x85",
)  # fmt: skip


def _listing(data: bytes) -> object:
    try:
        found = listing.parse(data, _PINNED)
    except ListingRefused:
        return None
    assert all(path.startswith("digits/") and ".." not in path.split("/") for path in found)
    return found


_LISTINGS = [
    listing._as_dvc_writes({f"digits/{name}": letter * 32 for name, letter in names.items()})
    for names in ({"golden.json": "a", "model/MLmodel": "b"}, {"a": "0", '\u00e9/\U0001f600 "': "f"})
]
_LISTING_WORDS = (
    b'"md5": "', b'"relpath": "', b'"digits/', b"../", b"/", b"..", b"\\u002e", b"\\/", b"\\ud800", b"\\u0000", b"{",
    b"}", b", ", b"[", b"]", b'"', b"\xc0\xae", b"NaN", b" ", b"\n", b"[" * 1000,
)  # fmt: skip


def _frame(data: bytes) -> object:
    """As the server reads what a model's process sends, though in one piece."""
    try:
        if len(data) >= wire.PREFIX.size and sum(wire.lengths(data[: wire.PREFIX.size])) > MOST_BYTES:
            return None
        assembler, messages = wire.Assembler(256), list[wire.Message]()
        while data:
            space = assembler.space()
            count = min(len(space), len(data))
            space[:count] = data[:count]
            data = data[count:]
            messages += assembler.take(count)
        return messages
    except wire.WireError:
        return None


def _framed(message: wire.Message) -> bytes:
    return b"".join(map(bytes, wire.encode(message)))


_ONE = Value("array", (Part(None, "<f4", (2,), b"\0" * 8),))
_TEXTS = Value("frame", (Part("s", wire.JSON, (2,), b'["a","b"]'), Part(None, "<i8", (2, 1), b"\0" * 16, ("n",))))
_FRAMES = [
    _framed(one)
    for one in (
        wire.Answers((_ONE, wire.Fault("model", "ValueError", "no", "trace")), 0.1),
        wire.Results(_TEXTS, 0.1),
        wire.Ready({"python": "3.11"}),
        wire.Failed(wire.Fault("worker", "ImportError", "no")),
        wire.Chunk(_ONE),
        wire.Pong(),
    )
]
_FRAME_WORDS = (
    wire.MAGIC,
    b'"bytes":',
    b'"shape":',
    b'"parts":',
    b'"message":',
    b'"answers"',
    b"8",
    b"-8",
    b"[]",
    b"{}",
)


def _npy() -> list[bytes]:
    written = []
    for array in (np.zeros((2, 2), "<f4"), np.zeros(2, [("x", "<f8"), ("y", "<i8")]), np.array(["a", "b"])):
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        written.append(stream.getvalue())
    return written


def _accept(data: bytes) -> object:
    try:
        return choose(data.decode("latin-1"), ("application/json", "text/csv"))
    except NotAcceptable:
        return None


TARGETS = {
    "pin": Target(_pin, [pin.write(_PINNED)], _YAML_WORDS),
    "listing": Target(_listing, _LISTINGS, _LISTING_WORDS),
    "predict": Target(_bound(JsonReading), _JSON, _JSON_WORDS),
    "invocations": Target(_bound(MlflowReading), _JSON, _JSON_WORDS),
    "infer": Target(_bound(_infer), _INFER, _INFER_WORDS),
    "csv": Target(
        _bound(CsvReading), [b"x,y\n1,2\n3,\n", b's\n"a ""b"""\n'], (b",", b"\n", b'"', b'""', b"\r", b"x", b"\xff")
    ),
    "npy": Target(_bound(NpyReading), _npy(), (b"'<f8'", b"(2,)", b"'|O'", b"True", b"\x93NUMPY", b"'shape':", b"}")),
    "frames": Target(_frame, _FRAMES, _FRAME_WORDS),
    "accept": Target(_accept, [b"text/csv;q=0.5, */*;q=0.1"], (b"*/*", b";q=", b",", b"/", b"1.0", b"text/csv", b"\t")),
}
