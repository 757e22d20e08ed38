"""Values joined by rows and cut again, as entries travel in a batch, and what joins and cuts them."""

import json
import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serve.child.wire import BASE64, JSON, Part, Value, cut, join

LAYOUTS = st.builds(
    Part,
    st.none() | st.text(max_size=5),
    st.sampled_from(["<f4", "<i8", "|b1", "<M8[ns]", JSON, BASE64]),
    st.lists(st.integers(0, 3), max_size=2).map(tuple),  # of one row
    st.just(b""),
    st.lists(st.text(max_size=5), max_size=3).map(tuple),
)
ITEMS = {
    JSON: st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('a,[]{}" \\\u2028\ud800'),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
    BASE64: st.none() | st.sampled_from(["", "AP8=", "aGk="]),
}
WRITERS = st.sampled_from(
    [json.dumps, lambda items: json.dumps(items, indent=1), lambda items: f" {json.dumps(items)}\n"]
)
KINDS = st.sampled_from(["array", "arrays", "frame"])


@st.composite
def pieces(draw: st.DrawFn) -> list[Value]:
    """Values of one layout and any numbers of rows."""
    kind, layouts = draw(KINDS), draw(st.lists(LAYOUTS, min_size=1, max_size=3))
    rows = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    return [Value(kind, tuple(filled(draw, layout, count) for layout in layouts)) for count in rows]


def filled(draw: st.DrawFn, layout: Part, rows: int) -> Part:
    shape = (rows, *layout.shape)
    size = math.prod(shape)
    if layout.dtype in ITEMS:
        items = draw(st.lists(ITEMS[layout.dtype], min_size=size, max_size=size))
        data = draw(WRITERS)(items).encode()
    else:
        length = size * np.dtype(layout.dtype).itemsize
        data = draw(st.binary(min_size=length, max_size=length).flatmap(lambda raw: st.sampled_from(forms(raw))))
    return layout._replace(shape=shape, data=data)


def forms(raw: bytes) -> list[Any]:
    return [raw, bytearray(raw), memoryview(raw)]


def read(value: Value) -> list[tuple[Any, ...]]:
    """All that a value says, whatever buffers it says it in."""
    return [
        (value.kind, *part[:3], part.columns, json.loads(bytes(part.data)) if part.dtype in ITEMS else bytes(part.data))
        for part in value.parts
    ]


@given(pieces())
def test_what_is_joined_and_cut_by_the_same_rows_is_what_it_was(values: list[Value]) -> None:
    rows = [value.rows for value in values]
    joined = join(values)
    assert joined.rows == sum(rows)
    assert list(map(read, cut(joined, rows))) == list(map(read, values))


@given(pieces())
def test_what_is_cut_and_joined_again_is_what_it_was(values: list[Value]) -> None:
    whole = join(values)
    assert read(join(cut(whole, [1] * whole.rows or [0]))) == read(whole)


@given(pieces())
def test_joining_first_some_and_then_the_rest_is_joining_all(values: list[Value]) -> None:
    assert read(join([join(values[:1]), *values[1:]])) == read(join(values))


def test_rows_stay_those_of_whose_they_are_in_every_column() -> None:
    def entry(*numbers: int) -> Value:
        block = Part(None, "<i4", (len(numbers), 2), np.repeat(np.array(numbers, "<i4"), 2).tobytes(), ("a", "b"))
        return Value("frame", (block, Part("c", JSON, (len(numbers),), json.dumps([str(n) for n in numbers]).encode())))

    joined = join([entry(1), entry(2, 3)])
    assert np.frombuffer(joined.parts[0].data, "<i4").tolist() == [1, 1, 2, 2, 3, 3]
    assert (joined.parts[0].shape, joined.parts[0].columns) == ((3, 2), ("a", "b"))
    assert json.loads(bytes(joined.parts[1].data)) == ["1", "2", "3"]
    assert read(cut(joined, [1, 2])[1]) == read(entry(2, 3))


def test_entries_without_rows_leave_no_trace_in_lists() -> None:
    empty, one = (Value("array", (Part(None, JSON, (rows,), data),)) for rows, data in ((0, b"[ ]"), (1, b"[1]")))
    assert bytes(join([empty, one, empty, empty]).parts[0].data) == b"[1]"
    assert [bytes(piece.parts[0].data) for piece in cut(join([empty, empty]), [0, 0])] == [b"[]", b"[]"]


def test_raw_data_is_cut_without_a_copy() -> None:
    data = bytearray(b"abcd")
    _, second = cut(Value("array", (Part(None, "|u1", (4,), data),)), [1, 3])
    data[3] = ord("z")
    assert bytes(second.parts[0].data) == b"bcz"
