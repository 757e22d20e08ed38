"""Frames as they come from a socket: in pieces of any length, several at once, larger than what is read into."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import PREFIX, Assembler, Batch, Message, Part, Predict, Results, Stop, Value, WireError, encode
from tests.serve.child.test_wire import messages

CAPACITIES = st.sampled_from([PREFIX.size, 17, 64, 2**17])


def written(sent: list[Message]) -> bytes:
    return b"".join(bytes(buffer) for message in sent for buffer in encode(message))


class Wire:
    """Bytes on their way to an assembler, which takes no more of them at once than it has space for."""

    def __init__(self, capacity: int) -> None:
        self.assembler = Assembler(capacity)
        self.received: list[Message] = []

    def bring(self, data: bytes) -> None:
        while data:
            space = self.assembler.space()
            count = min(len(space), len(data))
            space[:count] = data[:count]
            self.received += self.assembler.take(count)
            data = data[count:]


@given(st.lists(messages, max_size=4), CAPACITIES, st.data())
def test_however_frames_are_cut_on_the_way_the_messages_are_those_sent(
    sent: list[Message], capacity: int, data: st.DataObject
) -> None:
    frames = written(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frames)), max_size=6)))
    wire = Wire(capacity)
    for begin, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        wire.bring(frames[begin:end])
    assert wire.received == sent


@given(st.lists(messages, min_size=1, max_size=3), CAPACITIES)
def test_frames_that_come_byte_by_byte_give_each_message_with_its_last_byte(sent: list[Message], capacity: int) -> None:
    wire = Wire(capacity)
    for at, message in enumerate(sent):
        frame = written([message])
        for byte in frame[:-1]:
            wire.bring(bytes([byte]))
        assert len(wire.received) == at
        wire.bring(frame[-1:])
    assert wire.received == sent


def batch(data: bytes) -> Batch:
    return Batch(Value("array", (Part(None, "|u1", (len(data), 1), data),)), (len(data),), {"k": 1})


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_a_frame_about_as_long_as_what_is_read_into_is_whole_and_so_is_the_next(spare: int) -> None:
    sent: list[Message] = [batch(b"abc"), Stop()]
    wire = Wire(len(written(sent[:1])) + spare)
    wire.bring(written(sent))
    assert wire.received == sent


@pytest.mark.parametrize("capacity", [PREFIX.size, 2**17])
def test_each_message_has_data_of_its_own_that_a_model_may_write_to(capacity: int) -> None:
    frame = written([batch(b"abc")])
    wire = Wire(capacity)
    wire.bring(frame + frame)
    first, second = (message.value.parts[0].data for message in wire.received if isinstance(message, Batch))
    np.frombuffer(first, "u1")[:] = ord("z")
    assert (bytes(first), bytes(second)) == (b"zzz", b"abc")


@pytest.mark.parametrize("capacity", [PREFIX.size, 2**17])
def test_data_of_a_lone_part_are_aligned(capacity: int) -> None:
    wire = Wire(capacity)
    wire.bring(written([Results(Value("array", (Part(None, "<f8", (2,), struct.pack("<2d", 1, 2)),)), 0.5)]))
    (message,) = wire.received
    assert isinstance(message, Results)
    array = np.frombuffer(message.value.parts[0].data, "<f8")
    assert (array.tolist(), array.flags.aligned, array.flags.writeable) == ([1.0, 2.0], True, True)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request", id="no frame"),
        pytest.param(PREFIX.pack(b"PNN1", 2**31, 0), id="a header over the limit"),
        pytest.param(PREFIX.pack(b"PNN1", 2, 0) + b"{}", id="no message"),
        pytest.param(PREFIX.pack(b"PNN1", 2, 90) + b"{}" + bytes(90), id="no message, and large"),
    ],
)
def test_what_is_no_frame_of_ours_is_a_wire_error_once_it_is_whole(frame: bytes) -> None:
    wire = Wire(64)
    with pytest.raises(WireError):
        wire.bring(frame)


def test_there_is_space_whatever_came_and_nothing_comes_of_nothing() -> None:
    wire, frame = Wire(64), written([Predict((batch(bytes(100)).value,))])
    for byte in frame:
        assert len(wire.assembler.space()) > 0
        assert wire.assembler.take(0) == []
        wire.bring(bytes([byte]))
    assert len(wire.received) == 1
