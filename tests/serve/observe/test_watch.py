"""Who watches requests is told of each of them once, whichever way it came and however it ended."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from serve.front.door import Ways
from serve.front.ways import Templates
from serve.journey import Batched, Journey, Notes
from serve.observe.seen import LEFT, Asked, Seen
from serve.observe.watch import Watch
from tests.serve.front.calling import Caller, chunked, get, post
from tests.serve.front.doorway import Doorway, opened

GIVEN = "x-request-id: order-7"


class Witness:
    """Remembers all it is told; `records` every body."""

    def __init__(self) -> None:
        self.begun: list[Asked] = []
        self.seen_: list[Seen] = []

    def wants(self, journey: Journey) -> bool:
        return journey.id != "unwanted"

    def begin(self, journey: Journey, notes: Notes, asked: Asked) -> None:
        notes.is_recorded = True
        self.begun.append(asked)

    def batched(self, batch: Batched) -> None:
        """The teller has no batches."""

    def seen(self, seen: Seen) -> None:
        self.seen_.append(seen)


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
async def doorway(witness: Witness) -> AsyncIterator[Doorway]:
    def watch(app: Any) -> Watch:
        return Watch([witness], Templates(app), most_bytes=1000)

    async with opened(watch=watch) as one:
        yield one


@pytest.fixture
async def caller(doorway: Doorway) -> Caller:
    return await doorway.caller()


ASKED: dict[str, tuple[bytes, int, str, bytes | None, bytes | None]] = {
    "the short way": (post(b"hello", GIVEN), 200, "/predict", b"hello", b"hello"),
    "a model's": (
        post(b"hello", GIVEN, target=b"/models/a/predict"),
        200,
        "/models/{name}/predict",
        b"hello",
        b"hello",
    ),
    "with a query": (post(b"hello", GIVEN, target=b"/predict?token=secret"), 200, "/predict", b"hello", b"hello"),
    "of HTTP/1.0": (post(b"hello", GIVEN, version=b"1.0"), 200, "/predict", b"hello", b"hello"),
    "in events": (post(b'"a"', GIVEN, "accept: text/event-stream"), 200, "/predict", b'"a"', None),
    "refused": (post(b"full", GIVEN), 429, "/predict", b"full", b"queue_full"),
    "large": (post(b"hello" * 201, GIVEN), 200, "/predict", None, b"hello" * 201),
    "another route": (get(GIVEN), 200, "/plain", b"", b'"plain"'),
    "no route": (get(GIVEN, target=b"/nowhere"), 404, "", b"", b'{"detail":"Not Found"}'),
}


@pytest.mark.parametrize(("asked", "status", "route", "question", "answer"), ASKED.values(), ids=ASKED)
async def test_a_request_is_seen_once_with_its_route_its_status_and_what_was_said(
    caller: Caller,
    witness: Witness,
    asked: bytes,
    status: int,
    route: str,
    question: bytes | None,
    answer: bytes | None,
) -> None:
    await caller.send(asked)
    body = (await caller.reply()).body
    (seen,) = witness.seen_
    assert (seen.journey.id, seen.answered.status, seen.asked.route) == ("order-7", status, route)
    assert seen.answered.size == len(body)
    assert b"secret" not in repr(seen.asked).encode()
    assert seen.notes.question == question
    if answer is not None and len(answer) <= 1000:
        assert (seen.answered.body, body) == (answer, answer)
    assert 0 < seen.seconds < 60
    assert len(witness.begun) == 1


async def test_a_model_that_answered_is_named(caller: Caller, witness: Witness) -> None:
    await caller.send(post(b"hello"))
    await caller.reply()
    assert witness.seen_[0].answered.headers["x-model-name"] == "teller"


@pytest.mark.parametrize("word", [b"hold", b"aside"])
async def test_who_leaves_before_its_answer_is_seen_to_leave(doorway: Doorway, witness: Witness, word: bytes) -> None:
    caller = await doorway.caller()
    await caller.send(post(word, GIVEN))
    await doorway.teller.until(lambda: word in doorway.teller.asked)
    caller.sock.close()
    await doorway.teller.until(lambda: "cancelled" in doorway.teller.outcomes)
    await doorway.read()
    assert [one.answered.status for one in witness.seen_ if one.journey.id == "order-7"] == [LEFT]


@pytest.mark.parametrize(
    ("asked", "status", "route"),
    [
        (b"nonsense\r\n\r\n", 400, ""),
        (post(b"x", GIVEN, "content-type: a", "content-type: b"), 400, "/predict"),
        (post(b"x" * (10**6 + 1), GIVEN), 413, "/predict"),
        (chunked().replace(b"0\r\n\r\n", b"no chunk\r\n"), 400, "/predict"),
    ],
)
async def test_what_can_not_be_read_is_seen_and_never_recorded(
    caller: Caller, witness: Witness, asked: bytes, status: int, route: str
) -> None:
    await caller.send(asked)
    assert (await caller.reply()).status == status
    (seen,) = witness.seen_
    assert (seen.answered.status, seen.asked.route, seen.notes.is_recorded) == (status, route, False)


async def test_a_request_that_nobody_wants_has_no_notes_and_is_not_seen(doorway: Doorway, witness: Witness) -> None:
    caller = await doorway.caller()
    await caller.send(post(b"hold", "x-request-id: unwanted"))
    await doorway.teller.until(lambda: doorway.teller.held)
    assert doorway.door.cycle.journey.notes is None  # type: ignore[attr-defined]
    doorway.teller.release()
    assert (await caller.reply()).status == 200
    assert (witness.begun, witness.seen_) == ([], [])


async def test_where_nobody_watches_a_request_has_no_notes() -> None:
    async with opened() as doorway:
        caller = await doorway.caller()
        await caller.send(post(b"hold"))
        await doorway.teller.until(lambda: doorway.teller.held)
        assert (doorway.door.watch, doorway.door.cycle.journey.notes) == (None, None)  # type: ignore[attr-defined]
        assert isinstance(doorway.ways, Ways)
