import asyncio
from typing import Any

import pytest
from starlette.types import Message

from serve.batch.chunks import Chunks
from serve.child.wire import JSON, Part, Value
from serve.errors import NotReady, ServeError
from serve.front.streaming import StreamAnswer, asked
from serve.request import InferenceStream
from serve.signature.binding import Bound
from serve.signature.predictions import to_json
from serve.signature.spec import Signature

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
LINEAGE = (("x-model-name", "teller"),)


def value(text: bytes) -> Value:
    return Value("json", (Part(None, JSON, (), text),))


class Client:
    """An HTTP client: what it was sent, piece by piece; it reads while `reads`, and stays until it is told to leave."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.pieces: list[bytes] = []
        self.ended = False
        self.reads, self.left, self.got = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.reads.set()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.start = message
            return
        assert not self.ended
        self.pieces.append(message["body"])
        self.ended = not message.get("more_body", False)
        self.got.set()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def until(self, pieces: int) -> None:
        while len(self.pieces) < pieces:
            self.got.clear()
            await self.got.wait()


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def chunks() -> Chunks:
    return Chunks()


def answer(chunks: Chunks, kind: str = SSE, unwrapped: bool = False) -> StreamAnswer:
    signature = Signature((), (), (), ())
    stream = InferenceStream("teller", chunks, Bound(value(b"1"), {}, unwrapped), signature, LINEAGE)

    async def write(chunk: Value) -> bytes:
        return to_json(chunk, unwrapped=unwrapped)

    return StreamAnswer(kind, stream, write, lambda error: b'{"code":"%b"}' % error.code.encode())


async def bring(chunks: Chunks, *texts: bytes, end: ServeError | None = None) -> None:
    """The worker's part."""
    for text in texts:
        chunks.bring(value(text))
        if not await chunks.wanted():
            break
    chunks.end(end)


@pytest.mark.parametrize(
    ("kind", "unwrapped", "body"),
    [
        (SSE, False, b'data: {"predictions":"a"}\n\ndata: {"predictions":null}\n\nevent: done\ndata: {}\n\n'),
        (SSE, True, b'data: "a"\n\ndata: null\n\ndata: [DONE]\n\n'),
        (NDJSON, False, b'{"predictions":"a"}\n{"predictions":null}\n'),
        (NDJSON, True, b'"a"\nnull\n'),
    ],
)
async def test_chunks_are_sent_in_the_form_asked_for_and_then_the_end(
    chunks: Chunks, client: Client, kind: str, unwrapped: bool, body: bytes
) -> None:
    await asyncio.gather(
        bring(chunks, b'"a"', b"null"), answer(chunks, kind, unwrapped).send(client.send, client.receive)
    )
    assert b"".join(client.pieces) == body
    assert client.ended
    headers = dict(client.start["headers"])
    assert headers == {
        b"content-type": kind.encode(),
        b"cache-control": b"no-store",
        b"x-accel-buffering": b"no",
        b"x-model-name": b"teller",
    }


@pytest.mark.parametrize(
    ("kind", "unwrapped", "last"),
    [
        (SSE, False, b'event: error\ndata: {"code":"not_ready"}\n\n'),
        (SSE, True, b'event: error\ndata: {"error":{"code":"not_ready"}}\n\n'),
        (NDJSON, False, b'{"error":{"code":"not_ready"}}\n'),
        (NDJSON, True, b'{"error":{"code":"not_ready"}}\n'),
    ],
)
async def test_an_error_after_the_first_chunk_is_the_last_word(
    chunks: Chunks, client: Client, kind: str, unwrapped: bool, last: bytes
) -> None:
    sending = answer(chunks, kind, unwrapped).send(client.send, client.receive)
    await asyncio.gather(bring(chunks, b"1", end=NotReady("stopped")), sending)
    assert client.pieces[1:] == [last, b""]
    assert client.ended


async def test_each_chunk_is_sent_before_the_next_is_there(chunks: Chunks, client: Client) -> None:
    sending = asyncio.create_task(answer(chunks, NDJSON).send(client.send, client.receive))
    for count, text in enumerate((b"1", b"2"), start=1):
        chunks.bring(value(text))
        await client.until(pieces=count)
    chunks.end()
    await sending


async def test_a_fault_of_ours_is_told_and_closes_the_stream(chunks: Chunks, client: Client) -> None:
    async def write(chunk: Value) -> bytes:
        raise RuntimeError("hunter2")

    chunks.bring(value(b"1"))
    ours = StreamAnswer(SSE, answer(chunks).stream, write, lambda error: b'{"code":"%b"}' % error.code.encode())
    await ours.send(client.send, client.receive)
    assert client.pieces == [b'event: error\ndata: {"code":"internal_error"}\n\n', b""]
    assert not await chunks.wanted()
    chunks.end()
    assert await chunks.over == "internal_error"


async def test_a_caller_that_leaves_closes_the_stream_at_once(chunks: Chunks, client: Client) -> None:
    sending = asyncio.create_task(answer(chunks).send(client.send, client.receive))
    chunks.bring(value(b"1"))
    await client.until(pieces=1)
    client.left.set()
    await sending
    assert chunks.left
    assert not client.ended


async def test_a_caller_that_leaves_without_having_read_closes_the_stream_too(chunks: Chunks, client: Client) -> None:
    sending = asyncio.create_task(answer(chunks).send(client.send, client.receive))
    chunks.bring(value(b"1"))
    await client.until(pieces=1)
    client.reads.clear()
    chunks.bring(value(b"2"))
    client.left.set()
    await sending
    assert chunks.left


async def test_a_caller_that_does_not_read_holds_up_the_model(chunks: Chunks, client: Client) -> None:
    client.reads.clear()
    chunks.bring(value(b"1"))
    sending = asyncio.create_task(answer(chunks).send(client.send, client.receive))
    wanted = asyncio.create_task(chunks.wanted())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not wanted.done()
    client.reads.set()
    assert await wanted
    chunks.end()
    await sending
    assert client.ended


async def test_silence_is_filled_with_comments_and_loses_no_chunk(chunks: Chunks, client: Client) -> None:
    sending = asyncio.create_task(answer(chunks).send(client.send, client.receive, silence_seconds=0.001))
    await client.until(pieces=2)
    chunks.bring(value(b"1"))
    assert await chunks.wanted()
    chunks.end()
    await sending
    told = b"".join(client.pieces).replace(b": \n\n", b"")
    assert told == b'data: {"predictions":1}\n\nevent: done\ndata: {}\n\n'
    assert client.pieces[:2] == [b": \n\n"] * 2


async def test_a_server_that_stops_says_so_as_its_last_word(chunks: Chunks, client: Client) -> None:
    sending = asyncio.create_task(answer(chunks).send(client.send, client.receive))
    chunks.bring(value(b"1"))
    await client.until(pieces=1)
    sending.cancel()
    await sending
    assert client.pieces[1:] == [b'event: error\ndata: {"code":"not_ready"}\n\n']
    assert client.ended
    chunks.end()
    assert await chunks.over == "not_ready"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", SSE),
        ("Text/Event-Stream;q=0.9", SSE),
        ("application/x-ndjson", NDJSON),
        ("application/x-ndjson, text/event-stream;q=0.5", NDJSON),
        ("text/event-stream, application/json;q=0.1", SSE),
        ("text/event-stream, */*;q=0.1", SSE),
        ("text/event-stream, */*", SSE),
        ("application/json, text/event-stream", None),
        ("text/event-stream;q=0.5, text/csv", None),
        ("text/event-stream;q=0", None),
        ("image/png", None),
        ("text/*", None),
        ("*/*", None),
        ("", None),
    ],
)
def test_chunks_are_given_where_they_are_named_and_nothing_whole_is_wanted_as_much(accept: str, kind: Any) -> None:
    assert asked(accept) == kind
