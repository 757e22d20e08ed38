"""Bodies as they come in pieces: joined, bounded each and together, let go when their request is answered."""

from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive

from serve.errors import BodiesFull, PayloadTooLarge
from serve.front.bodies import Bodies, ClientGone

PIECE = b"x" * 100_000


def coming(*pieces: bytes) -> Receive:
    """What a server hands an application: a message a piece, the last of which says so."""
    return telling(
        [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces[:-1]]
        + [{"type": "http.request", "body": pieces[-1]}]
    )


def telling(messages: Sequence[Message]) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


async def test_a_body_is_all_its_pieces_in_order() -> None:
    assert await Bodies(10, 10).expect().read(coming(b"ab", b"", b"cd")) == b"abcd"
    assert await Bodies(10, 10).expect().read(coming(b"")) == b""


async def test_a_body_over_its_limit_is_refused_before_its_end_has_come() -> None:
    bodies = Bodies(150_000, 10**6)
    body = bodies.expect()
    with pytest.raises(PayloadTooLarge, match="over the limit of 150000 bytes"):
        await body.read(telling([{"type": "http.request", "body": PIECE, "more_body": True}] * 2))
    body.release()
    assert bodies.held == 0


async def test_a_caller_that_leaves_in_the_middle_is_told_apart() -> None:
    pieces = [{"type": "http.request", "body": PIECE, "more_body": True}, {"type": "http.disconnect"}]
    with pytest.raises(ClientGone):
        await Bodies(10**6, 10**6).expect().read(telling(pieces))


async def test_more_than_may_be_held_is_refused_until_another_is_answered() -> None:
    bodies = Bodies(10**6, 250_000)
    first, second, third = bodies.expect(), bodies.expect(), bodies.expect()
    await first.read(coming(PIECE, PIECE))
    with pytest.raises(BodiesFull, match="holds 250000 bytes"):
        await second.read(coming(PIECE))
    second.release()
    first.release()
    assert await third.read(coming(PIECE, PIECE)) == PIECE * 2


async def test_small_bodies_are_taken_however_much_is_held() -> None:
    bodies = Bodies(10**6, 100_000)
    await bodies.expect().read(coming(PIECE))
    assert await bodies.expect().read(coming(b"small")) == b"small"


async def test_a_body_larger_than_all_that_may_be_held_is_let_in_alone() -> None:
    assert await Bodies(10**6, 10).expect().read(coming(PIECE)) == PIECE
