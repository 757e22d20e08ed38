"""What a request is called, whatever its caller says of that."""

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.journey import Journey, Notes, Parent, begin, made

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MADE = re.compile("[0-9a-f]{32}")


def named(**headers: str) -> Journey:
    return begin({name.replace("_", "-").encode(): value.encode() for name, value in headers.items()})


def test_where_nothing_is_said_an_id_is_made_that_is_the_number_of_a_trace() -> None:
    one, other = begin({}), made()
    assert MADE.fullmatch(one.id)
    assert (int(one.id, 16), one.parent) == (one.trace, None)
    assert one.id != other.id


@pytest.mark.parametrize("told", ["a", "order-7/retry:2", "x" * 128, "~!"])
def test_an_id_that_the_caller_gives_is_the_requests(told: str) -> None:
    assert named(x_request_id=told).id == told


@pytest.mark.parametrize("told", ["", "x" * 129, "a b", "a\tb", "a\r\nset-cookie: b", "\x7f", "é", "a\0"])
def test_an_id_that_is_too_long_or_not_of_visible_ascii_is_replaced(told: str) -> None:
    assert MADE.fullmatch(named(x_request_id=told).id)


@pytest.mark.parametrize("flags", ["00", "01", "03"])
def test_a_traces_number_is_the_id_and_the_callers_span_the_parent(flags: str) -> None:
    journey = named(traceparent=f"00-{TRACE}-{SPAN}-{flags}")
    assert (journey.id, journey.trace) == (TRACE, 0)
    assert journey.parent == Parent(int(TRACE, 16), int(SPAN, 16), flags != "00")


def test_of_both_the_id_is_what_is_called_so_and_the_parent_stays() -> None:
    journey = named(x_request_id="order-7", traceparent=f"00-{TRACE}-{SPAN}-01")
    assert (journey.id, journey.parent is None) == ("order-7", False)


def test_a_later_version_of_traceparent_is_read_as_far_as_it_is_known() -> None:
    assert named(traceparent=f"cc-{TRACE}-{SPAN}-01-more").parent is not None


@pytest.mark.parametrize(
    "told",
    [
        "",
        "01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_a_traceparent_that_is_none_counts_for_nothing(told: str) -> None:
    journey = named(traceparent=told)
    assert journey.parent is None
    assert MADE.fullmatch(journey.id)


@given(st.dictionaries(st.sampled_from([b"x-request-id", b"traceparent"]), st.binary(max_size=200)))
def test_whatever_is_said_the_id_is_a_line_of_visible_ascii(headers: dict[bytes, bytes]) -> None:
    assert re.fullmatch("[\x21-\x7e]{1,128}", begin(headers).id)


class Nobody:
    most_bytes = 10

    def batched(self, batch: object) -> None:
        """Nothing is noted here."""


def test_to_a_process_aside_goes_the_id_alone() -> None:
    journey = named(x_request_id="order-7", traceparent=f"00-{TRACE}-{SPAN}-01")
    journey.notes = Notes(Nobody(), 0.0)
    there = pickle.loads(pickle.dumps(journey))
    assert (there.id, there.parent, there.notes) == ("order-7", None, None)


def test_a_body_is_kept_in_pieces_up_to_a_bound_where_the_request_is_recorded() -> None:
    notes = Notes(Nobody(), 0.0)
    notes.keep(b"unheard")
    assert notes.question == b""
    notes.is_recorded = True
    notes.keep(b"12345")
    notes.keep(b"67890")
    assert notes.question == b"1234567890"
    notes.keep(b"1")
    notes.keep(b"2")
    assert notes.question is None
