import json
import struct
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child import wire
from serve.child.wire import (
    Answers,
    Batch,
    Chunk,
    Done,
    Failed,
    Fault,
    Load,
    Message,
    Next,
    Part,
    Ping,
    Pong,
    Predict,
    Ready,
    Results,
    Stop,
    Stream,
    Value,
    WireError,
    decode,
    encode,
    lengths,
)

text = st.text(st.characters(), max_size=12)  # half surrogate pairs too: what a model raises may hold anything
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
buffers = st.binary(max_size=40).flatmap(lambda data: st.sampled_from([data, bytearray(data), memoryview(data)]))
parts = st.builds(
    Part,
    st.none() | text,
    st.sampled_from(["<f4", "|b1", "<M8[ns]", wire.JSON, wire.BASE64]),
    st.lists(st.integers(0, 5), max_size=3).map(tuple),
    buffers,
    st.lists(text, max_size=3).map(tuple),
)
values = st.builds(Value, st.sampled_from(["array", "arrays", "frame", "json"]), st.lists(parts, max_size=3).map(tuple))
faults = st.builds(Fault, st.sampled_from(["caller", "model", "worker"]), text, text, text)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Load, text),
    st.builds(Ready, st.dictionaries(text, plain, max_size=3)),
    st.builds(Failed, faults),
    st.builds(Predict, st.lists(values, max_size=3).map(tuple), st.dictionaries(text, plain, max_size=3)),
    st.builds(Answers, st.lists(values | faults, max_size=3).map(tuple), st.floats(0, 1e6)),
    st.builds(Batch, values, st.lists(st.integers(0, 9)).map(tuple), st.dictionaries(text, plain, max_size=3)),
    st.builds(Results, values, st.floats(0, 1e6)),
    st.builds(Stream, values, st.dictionaries(text, plain, max_size=3)),
    st.builds(Chunk, values),
    st.sampled_from([Next(), Stop(), Done(), Ping(), Pong()]),
)

ONE = Predict((Value("array", (Part(None, "<f4", (1, 2), struct.pack("<2f", 1, 2)),)),), {"k": 1})


def written(message: Message) -> bytes:
    return b"".join(bytes(buffer) for buffer in encode(message))


def taken_apart(frame: bytes) -> tuple[bytes, bytes]:
    """A frame's header and body, cut as both ends cut them."""
    header, body = lengths(frame[: wire.PREFIX.size])
    assert len(frame) == wire.PREFIX.size + header + body
    return frame[wire.PREFIX.size :][:header], frame[wire.PREFIX.size + header :]


@given(messages)
def test_every_message_comes_out_as_it_went_in(message: Message) -> None:
    assert decode(*taken_apart(written(message))) == message


@given(messages, st.data())
def test_a_frame_with_any_byte_changed_is_another_message_or_a_wire_error(
    message: Message, data: st.DataObject
) -> None:
    header, body = taken_apart(written(message))
    at = data.draw(st.integers(0, len(header) - 1))
    changed = bytearray(header)
    changed[at] = data.draw(st.integers(0, 255))
    try:
        found = decode(changed, body)
    except WireError:
        return
    assert isinstance(found, get_args(Message))


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_any_bytes_are_a_wire_error(header: bytes, body: bytes) -> None:
    with pytest.raises(WireError):
        decode(header, body)


def test_a_frame_begins_with_its_magic_and_both_lengths() -> None:
    frame = written(ONE)
    header, body = taken_apart(frame)
    assert frame.startswith(b"PNN1" + struct.pack("<IQ", len(header), 8))
    assert json.loads(header)["values"][0]["parts"][0] == {"name": None, "dtype": "<f4", "shape": [1, 2], "bytes": 8}
    assert body == struct.pack("<2f", 1, 2)


def test_data_are_copied_neither_into_a_frame_nor_out_of_it() -> None:
    data = bytearray(b"abcd")
    _, buffer = encode(Predict((Value("array", (Part(None, "|u1", (4,), data),)),)))
    header, _ = taken_apart(written(Predict((Value("array", (Part(None, "|u1", (4,), data),)),))))
    body = bytearray(b"abcd")
    found = decode(header, body)
    data[0] = body[0] = ord("z")
    assert bytes(buffer) == b"zbcd"
    assert isinstance(found, Predict)
    assert bytes(found.values[0].parts[0].data) == b"zbcd"


@pytest.mark.parametrize(
    ("prefix", "told"),
    [
        (wire.PREFIX.pack(b"HTTP", 1, 1), "not a frame: it does not begin with PNN1"),
        (wire.PREFIX.pack(b"PNN1", wire.MAX_HEADER_BYTES + 1, 0), "over the limit"),
        (wire.PREFIX.pack(b"PNN1", 0, wire.MAX_BODY_BYTES + 1), "over the limit"),
    ],
)
def test_a_prefix_that_announces_no_frame_of_ours_is_refused_before_anything_is_read(prefix: bytes, told: str) -> None:
    with pytest.raises(WireError, match=told):
        lengths(prefix)


def test_the_largest_frame_is_within_the_limit() -> None:
    largest = (wire.MAX_HEADER_BYTES, wire.MAX_BODY_BYTES)
    assert lengths(wire.PREFIX.pack(b"PNN1", *largest)) == largest


def predict(**part: Any) -> dict[str, Any]:
    whole = {"name": None, "dtype": "|u1", "shape": [2], "bytes": 2} | part
    return {"message": "predict", "values": [{"kind": "array", "parts": [whole]}], "params": {}, "number": 1}


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"message": "load"}, "unreadable frame: KeyError"),
        ({"message": "halt"}, "unknown message 'halt'"),
        ({"message": ["stop"]}, "unreadable frame: TypeError"),
        ({"message": "chunk"}, "unreadable frame: KeyError"),
        ({}, "unreadable frame: KeyError"),
        ([], "unreadable frame: TypeError"),
        ({"message": "failed", "fault": {"whose": "x", "worse": 1}}, "unreadable frame: TypeError"),
        ({"message": "answers", "answers": [{}], "seconds": 0}, "unreadable frame: KeyError"),
        ({"message": "answers", "answers": [], "seconds": "x"}, "unreadable frame: ValueError"),
        (predict(bytes=3), "announces more bytes than its body has"),
        (predict(bytes=-1), "announces more bytes than its body has"),
        (predict(bytes=1), "has more bytes than its header announces"),
        (predict(bytes="2"), "unreadable frame: TypeError"),
        (predict(shape=None), "unreadable frame: TypeError"),
        ({"message": "batch", "value": {"kind": "array", "parts": []}, "params": {}}, "unreadable frame: KeyError"),
        ({"message": "predict", "values": [], "params": {}}, "unreadable frame: KeyError"),
        ({"message": "results", "value": {"kind": "array"}, "seconds": 0}, "unreadable frame: KeyError"),
        (predict(shape=[1, 2**31, 0], bytes=0), "more lists than can be written"),
        (predict(columns=5), "unreadable frame: TypeError"),
        ({"message": "ping"}, "has more bytes than its header announces"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(header: Any, told: str) -> None:
    with pytest.raises(WireError, match=told):
        decode(json.dumps(header).encode(), b"ab")


def test_a_header_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(WireError, match="unreadable frame: RecursionError"):
        decode(b"[" * 100_000, b"")


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (Value("array", (Part(None, "|u1", (3, 2), b""),)), 3),
        (Value("array", (Part(None, "|u1", (), b""),)), 1),
        (Value("json", (Part(None, wire.JSON, (), b"[1, 2]"),)), 1),
        (Value("frame", (Part("a", wire.JSON, (0,), b"[]"),)), 0),
        (Value("frame", ()), 1),
    ],
)
def test_a_values_rows_are_its_first_axis_and_one_where_it_has_none(value: Value, rows: int) -> None:
    assert value.rows == rows
