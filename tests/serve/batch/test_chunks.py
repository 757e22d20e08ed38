import asyncio

import pytest

from serve.batch.chunks import Chunks
from serve.child.wire import JSON, Part, Value
from serve.errors import NotReady


def chunk(text: bytes) -> Value:
    return Value("json", (Part(None, JSON, (), text),))


ONE, TWO = chunk(b"1"), chunk(b"2")


@pytest.fixture
async def chunks() -> Chunks:
    return Chunks()


async def test_what_is_brought_is_taken_in_order_up_to_the_end(chunks: Chunks) -> None:
    async def worker() -> None:
        for one in (ONE, TWO):
            chunks.bring(one)
            assert await chunks.wanted()
        chunks.end()

    task = asyncio.create_task(worker())
    assert [one async for one in chunks] == [ONE, TWO]
    assert chunks.over.result() == "ok"
    await task


async def test_a_chunk_waits_until_it_is_taken_and_only_then_another_is_wanted(chunks: Chunks) -> None:
    chunks.bring(ONE)
    wanted = asyncio.create_task(chunks.wanted())
    await asyncio.sleep(0)
    assert not wanted.done()
    assert await anext(chunks) == ONE
    assert await wanted
    again = asyncio.create_task(chunks.wanted())
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


async def test_waiting_for_a_chunk_can_be_given_up_and_taken_up_again(chunks: Chunks) -> None:
    waiting = asyncio.create_task(anext(chunks))  # type: ignore[var-annotated,arg-type]  # a coroutine, as of anext
    await asyncio.sleep(0)
    waiting.cancel()
    chunks.bring(ONE)
    assert await anext(chunks) == ONE


async def test_the_last_chunk_is_taken_before_the_end_is_told(chunks: Chunks) -> None:
    chunks.bring(ONE)
    chunks.end()
    assert [one async for one in chunks] == [ONE]
    assert [one async for one in chunks] == []


async def test_an_error_comes_after_the_chunk_before_it_and_names_the_outcome(chunks: Chunks) -> None:
    chunks.bring(ONE)
    chunks.end(NotReady("stopped"))
    assert await anext(chunks) == ONE
    with pytest.raises(NotReady, match="stopped"):
        await anext(chunks)
    assert chunks.over.result() == "not_ready"


async def test_whoever_waits_for_a_chunk_hears_the_end(chunks: Chunks) -> None:
    waiting = asyncio.create_task(taken(chunks))
    await asyncio.sleep(0)
    chunks.end()
    assert await waiting == []


async def test_a_caller_that_left_wants_nothing_and_cancelled_its_stream_however_that_ended(chunks: Chunks) -> None:
    chunks.close()
    chunks.bring(ONE)
    assert not await chunks.wanted()
    chunks.end(NotReady("stopped"))
    assert chunks.over.result() == "cancelled"


async def test_the_first_outcome_is_the_last(chunks: Chunks) -> None:
    chunks.end(NotReady("stopped"))
    chunks.end()
    with pytest.raises(NotReady):
        await anext(chunks)
    assert chunks.over.result() == "not_ready"


async def taken(chunks: Chunks) -> list[Value]:
    return [one async for one in chunks]
