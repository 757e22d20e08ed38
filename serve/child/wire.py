"""Messages between the server and a model's process: plain data as bytes, no I/O, no pickle.

Both ends import this file, one for both and so a long one: the server as `serve.child.wire`, the child as `wire`.
A frame is

    b"PNN1" · header length (u32) · body length (u64) · header (UTF-8 JSON) · buffers, back to back

all integers little-endian. The header is one message; wherever it says `{"bytes": n}` the next n bytes of the
body are meant, in order. Numbers travel as raw little-endian row-major buffers; everything else as JSON.

    server → child   load · predict · batch · stream · next · stop · ping
    child → server   ready · failed · answers · results · chunk · done · pong

Each message of the server's gets one of the child's before the next is sent. Entries that share a layout travel
joined by rows, as `batch`, and so do their answers, as `results`: one header and one buffer a column, however many
they are; `answers` come where they can't be joined. A stream is asked for chunk by chunk: `stream` and each `next`
get a chunk, done or failed; `stop`, in place of `next`, gets done or failed.
"""

from __future__ import annotations

import itertools
import json
import math
import struct
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional, Sequence, Union

MAGIC = b"PNN1"
PREFIX = struct.Struct("<4sIQ")
MAX_HEADER_BYTES = 64 * 2**20
MAX_BODY_BYTES = 2**31
MAX_EMPTY = 2**20  # lists around nothing, which no byte of a body pays for

JSON = "json"  # dtype of a part whose data is a UTF-8 JSON list (one element an item) or any JSON value
BASE64 = "base64"  # the same, each element a base64 string standing for bytes
BYTES = "bytes"  # dtype of a part whose data is a whole document in another format

Buffer = Union[bytes, bytearray, memoryview]


class WireError(Exception):
    """The other end sent bytes that are no frame of ours."""


class Part(NamedTuple):
    """One named piece of a value: a tensor, a column, or a block of columns.

    A block is several columns of one dtype, with their names in `columns`: its shape is (rows, columns). `dtype` is a
    numpy dtype string with byte order ("<f4"), or `JSON`, or `BASE64`. `shape` is row-major; for JSON parts it may be
    () for a single value. `data` is one-dimensional and counted in bytes.
    """

    name: Optional[str]
    dtype: str
    shape: tuple[int, ...]
    data: Buffer
    columns: tuple[str, ...] = ()


class Value(NamedTuple):
    """What goes into a model, or comes out of it.

    `kind` is "array" (one unnamed part), "arrays" (named parts), "frame" (columns, in order), "json" (one JSON
    part of any shape) or "request" (one part named for its form, which MLflow in the model's process reads).
    """

    kind: str
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Length of the first axis; 1 where there is none."""
        return self.parts[0].shape[0] if self.parts and self.parts[0].shape else 1


@dataclass(frozen=True)
class Fault:
    """An error that crossed the wire as text: the class's name, its message, its traceback.

    `whose` is "caller" (the input does not fit the model), "model" (it raised), "answer" (it is too large, or has other
    rows than were asked) or "worker" (it could not load).
    """

    whose: str
    kind: str
    message: str
    trace: str = ""


@dataclass(frozen=True)
class Load:
    """Load the MLflow model in `folder`; its answers may be of `max_answer_bytes` each.

    Answers to requests without params must have one row for each asked where the model is known to be `row_by_row`.
    """

    folder: str
    max_answer_bytes: int = MAX_BODY_BYTES
    row_by_row: bool = False


@dataclass(frozen=True)
class Ready:
    """The model is loaded; `facts` says under which versions."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """The model could not be loaded, or its stream ended in an error."""

    fault: Fault


@dataclass(frozen=True)
class Predict:
    """Predict a batch: one value an entry, all of the same columns, dtypes and params.

    What the model prints is marked with the batch's `number`, as in the other two that ask it.
    """

    values: tuple[Value, ...]
    params: dict[str, Any] = field(default_factory=dict)
    number: int = 0


@dataclass(frozen=True)
class Answers:
    """One answer an entry, in the order asked; `seconds` is the time inside the model."""

    answers: tuple[Union[Value, Fault], ...]
    seconds: float


@dataclass(frozen=True)
class Batch:
    """Predict several entries, joined by rows: the first `rows[0]` rows of `value` are the first's, and so on."""

    value: Value
    rows: tuple[int, ...]
    params: dict[str, Any] = field(default_factory=dict)
    number: int = 0


@dataclass(frozen=True)
class Results:
    """The answers to a batch, joined as it was; `seconds` is the time inside the model."""

    value: Value
    seconds: float


@dataclass(frozen=True)
class Stream:
    """Begin to answer one value in chunks."""

    value: Value
    params: dict[str, Any] = field(default_factory=dict)
    number: int = 0


@dataclass(frozen=True)
class Next:
    """Go on with the stream."""


@dataclass(frozen=True)
class Stop:
    """Nobody wants the rest of the stream: close it."""


@dataclass(frozen=True)
class Chunk:
    """The next of what a stream answers."""

    value: Value


@dataclass(frozen=True)
class Done:
    """The stream has ended, by itself or because it was told to stop."""


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True)
class Pong:
    """Yes."""


Message = Union[Load, Ready, Failed, Predict, Answers, Batch, Results, Stream, Next, Stop, Chunk, Done, Ping, Pong]


def join(values: Sequence[Value]) -> Value:
    """Values of one layout, which may differ in their rows alone, as one value. Raw data is copied once."""
    columns = zip(*[value.parts for value in values])
    return Value(values[0].kind, tuple(_join_parts(parts) for parts in columns))


def _join_parts(parts: Sequence[Part]) -> Part:
    first, rows = parts[0], sum([part.shape[0] for part in parts])
    if first.dtype in (JSON, BASE64):  # lists in JSON, flat whatever their shape
        items = [bytes(part.data).strip()[1:-1] for part in parts]
        data = b"[" + b",".join(item for item in items if item.strip()) + b"]"
    else:
        data = b"".join([part.data for part in parts])
    return Part(first.name, first.dtype, (rows, *first.shape[1:]), data, first.columns)


def cut(value: Value, rows: Sequence[int]) -> list[Value]:
    """The value in pieces of so many rows, all together its own; raw data is not copied."""
    columns = [_cut_part(part, rows) for part in value.parts]
    return [Value(value.kind, parts) for parts in zip(*columns)]


def _cut_part(part: Part, rows: Sequence[int]) -> list[Part]:
    name, dtype, inner, whole = part.name, part.dtype, part.shape[1:], part.shape[0]
    if dtype in (JSON, BASE64):
        items = json.loads(bytes(part.data))
        each = len(items) // whole if whole else 0
        pieces: list[Buffer] = [_listed(items[start * each : end * each]) for start, end in _spans(rows)]
    else:
        view = memoryview(part.data)
        each = len(view) // whole if whole else 0
        pieces = [view[start * each : end * each] for start, end in _spans(rows)]
    return [Part(name, dtype, (count, *inner), piece, part.columns) for count, piece in zip(rows, pieces)]


def _spans(rows: Sequence[int]) -> list[tuple[int, int]]:
    ends = list(itertools.accumulate(rows))
    return list(zip([0, *ends], ends))


def _listed(items: list[Any]) -> bytes:
    return json.dumps(items, separators=(",", ":")).encode()


def encode(message: Message) -> list[Buffer]:
    """The message as buffers to be written one after another; tensor data is not copied."""
    buffers: list[Buffer] = []
    header = json.dumps(_to_header(message, buffers), separators=(",", ":")).encode()
    body = sum(memoryview(buffer).nbytes for buffer in buffers)
    return [PREFIX.pack(MAGIC, len(header), body) + header, *buffers]


def lengths(prefix: Buffer) -> tuple[int, int]:
    """Header and body length that a frame's first `PREFIX.size` bytes announce, checked against the limits."""
    magic, header, body = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError("not a frame: it does not begin with PNN1")
    if header > MAX_HEADER_BYTES or body > MAX_BODY_BYTES:
        raise WireError(f"a frame of {header} + {body} bytes is over the limit")
    return header, body


def decode(header: Buffer, body: Buffer) -> Message:
    """The message in a frame; its parts are views into `body`, not copies. Anything else is a `WireError`."""
    try:
        plain = json.loads(bytes(header))
        return _from_header(plain, _Cursor(memoryview(body)))
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"unreadable frame: {type(error).__name__}: {error}") from error


class Assembler:
    """A connection's bytes as they come → the messages in them. No I/O: either end reads into `space`.

    The body of each message is a buffer of its own, writable and aligned, for models may write to their input.
    """

    def __init__(self, capacity: int = 2**17) -> None:
        self.most_bytes = MAX_BODY_BYTES  # of a body; whoever knows what was asked may expect less
        self._small = bytearray(capacity)
        self._have = 0
        self._frame = (bytearray(), bytearray())  # the header and the body of a frame larger than `_small`,
        self._missing: list[memoryview] = []  # and what is still to come of them

    def space(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        return self._missing[0] if self._missing else memoryview(self._small)[self._have :]

    def take(self, count: int) -> list[Message]:
        """The messages that are whole with the `count` bytes just read into `space`, or a `WireError`."""
        if not self._missing:
            self._have += count
            return self._take_small()
        self._missing[0] = self._missing[0][count:]
        if not self._missing[0]:
            del self._missing[0]
        return [] if self._missing else [decode(*self._frame)]

    def _take_small(self) -> list[Message]:
        messages, at, view = [], 0, memoryview(self._small)[: self._have]
        while len(view) - at >= PREFIX.size:
            header_bytes, body_bytes = lengths(view[at : at + PREFIX.size])
            if body_bytes > self.most_bytes:
                raise WireError("a frame's body is larger than what was asked for may be")
            header = at + PREFIX.size
            body, end = header + header_bytes, header + header_bytes + body_bytes
            if end > len(view):
                if end - at > len(self._small):
                    self._begin_large(view[header:], header_bytes, body_bytes)
                    at = len(view)
                break
            messages.append(decode(view[header:body], bytearray(view[body:end])))
            at = end
        self._have = len(view) - at
        self._small[: self._have] = view[at:].tobytes()
        return messages

    def _begin_large(self, begun: memoryview, header_bytes: int, body_bytes: int) -> None:
        self._frame = (bytearray(header_bytes), bytearray(body_bytes))
        for buffer in self._frame:
            come = begun[: len(buffer)]
            buffer[: len(come)] = come
            begun = begun[len(come) :]
            if len(come) < len(buffer):
                self._missing.append(memoryview(buffer)[len(come) :])


class _Cursor:
    """Hands out the body's buffers in order; refuses to end early or late."""

    def __init__(self, body: memoryview) -> None:
        self._body, self._at = body, 0

    def take(self, count: int) -> memoryview:
        if count < 0 or self._at + count > len(self._body):
            raise WireError("a frame's header announces more bytes than its body has")
        view = self._body[self._at : self._at + count]
        self._at += count
        return view

    def end(self) -> None:
        if self._at != len(self._body):
            raise WireError("a frame's body has more bytes than its header announces")


def _to_header(message: Message, buffers: list[Buffer]) -> dict[str, Any]:
    if isinstance(message, Load):
        return {"message": "load", **vars(message)}
    if isinstance(message, Ready):
        return {"message": "ready", "facts": message.facts}
    if isinstance(message, Failed):
        return {"message": "failed", "fault": vars(message.fault)}
    if isinstance(message, Predict):
        values = [_value_out(value, buffers) for value in message.values]
        return {"message": "predict", "values": values, "params": message.params, "number": message.number}
    if isinstance(message, Answers):
        return {
            "message": "answers",
            "answers": [_answer_out(answer, buffers) for answer in message.answers],
            "seconds": message.seconds,
        }
    if isinstance(message, Batch):
        asked = {"message": "batch", "rows": message.rows, "params": message.params, "number": message.number}
        return {**asked, "value": _value_out(message.value, buffers)}
    if isinstance(message, Results):
        return {"message": "results", "value": _value_out(message.value, buffers), "seconds": message.seconds}
    if isinstance(message, Stream):
        asked = {"message": "stream", "params": message.params, "number": message.number}
        return {**asked, "value": _value_out(message.value, buffers)}
    if isinstance(message, Chunk):
        return {"message": "chunk", "value": _value_out(message.value, buffers)}
    return {"message": type(message).__name__.lower()}


def _from_header(plain: dict[str, Any], cursor: _Cursor) -> Message:
    what = plain["message"]
    if what not in _READ:
        raise WireError(f"unknown message {what!r}")
    message = _READ[what](plain, cursor)
    cursor.end()
    return message


_READ: dict[str, Callable[[dict[str, Any], _Cursor], Message]] = {
    "load": lambda plain, cursor: Load(plain["folder"], int(plain["max_answer_bytes"]), bool(plain["row_by_row"])),
    "ready": lambda plain, cursor: Ready(plain["facts"]),
    "failed": lambda plain, cursor: Failed(Fault(**plain["fault"])),
    "predict": lambda plain, cursor: Predict(
        tuple(_value_in(value, cursor) for value in plain["values"]), plain["params"], int(plain["number"])
    ),
    "answers": lambda plain, cursor: Answers(
        tuple(_answer_in(answer, cursor) for answer in plain["answers"]), float(plain["seconds"])
    ),
    "batch": lambda plain, cursor: Batch(
        _value_in(plain["value"], cursor), tuple(plain["rows"]), plain["params"], int(plain["number"])
    ),
    "results": lambda plain, cursor: Results(_value_in(plain["value"], cursor), float(plain["seconds"])),
    "stream": lambda plain, cursor: Stream(_value_in(plain["value"], cursor), plain["params"], int(plain["number"])),
    "chunk": lambda plain, cursor: Chunk(_value_in(plain["value"], cursor)),
    "next": lambda plain, cursor: Next(),
    "stop": lambda plain, cursor: Stop(),
    "done": lambda plain, cursor: Done(),
    "ping": lambda plain, cursor: Ping(),
    "pong": lambda plain, cursor: Pong(),
}


def _answer_out(answer: Union[Value, Fault], buffers: list[Buffer]) -> dict[str, Any]:
    if isinstance(answer, Fault):
        return {"fault": vars(answer)}
    return {"value": _value_out(answer, buffers)}


def _answer_in(plain: dict[str, Any], cursor: _Cursor) -> Union[Value, Fault]:
    if "fault" in plain:
        return Fault(**plain["fault"])
    return _value_in(plain["value"], cursor)


def _value_out(value: Value, buffers: list[Buffer]) -> dict[str, Any]:
    parts = []
    for part in value.parts:
        view = memoryview(part.data)
        buffers.append(view)
        plain = {"name": part.name, "dtype": part.dtype, "shape": part.shape, "bytes": view.nbytes}
        parts.append({**plain, "columns": part.columns} if part.columns else plain)
    return {"kind": value.kind, "parts": parts}


def _value_in(plain: dict[str, Any], cursor: _Cursor) -> Value:
    return Value(plain["kind"], tuple(_part_in(part, cursor) for part in plain["parts"]))


def _part_in(plain: dict[str, Any], cursor: _Cursor) -> Part:
    columns, shape = tuple(plain.get("columns", ())), tuple(plain["shape"])
    if 0 in shape and math.prod(size for size in shape if size) > MAX_EMPTY:
        raise WireError(f"a part of shape {shape} holds nothing, and more lists than can be written")
    return Part(plain["name"], plain["dtype"], shape, cursor.take(plain["bytes"]), columns)
