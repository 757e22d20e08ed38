"""Work done aside, in real processes: results, refusals, deaths, callers that leave, and the server's own end."""

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import uvloop

from serve.aside import Aside
from serve.child.wire import Part, Value
from serve.errors import AsideDied, Flaw, InvalidInputs, MalformedRequest, PayloadTooLarge, ServeError
from serve.front.formats.mlflow_json import JsonReading
from serve.signature.spec import Signature, TensorSpec
from serve.worker.confinement import Confinement

LITTLE, MIDDLING, LARGE = 10, 1000, 100_000


@asynccontextmanager
async def running(processes: int = 1) -> AsyncIterator[Aside]:
    tests = Confinement(readable=(Path(__file__).parents[2],))  # whose own functions run there
    aside = Aside(processes, inline_bytes=100, large_bytes=10_000, confinement=tests)
    try:
        yield aside
    finally:
        await aside.close()


def _processes() -> list[psutil.Process]:
    """Those aside: others may have begun more from here, such as multiprocessing's own."""
    return [one for one in psutil.Process().children() if "serve.aside" in one.cmdline()]


def refuse(error: ServeError) -> None:
    raise error


def refuse_inputs(_: Any) -> None:
    raise InvalidInputs("they are wrong")


def sleep(_: Any) -> None:
    time.sleep(3600)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What is in a cycle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_little_work_is_done_at_once_and_starts_no_process() -> None:
    async with running() as aside:
        assert await aside.run(LITTLE, os.getpid) == os.getpid()
        assert _processes() == []


async def test_other_work_is_done_in_one_process_that_stays() -> None:
    async with running() as aside:
        pids = {await aside.run(MIDDLING, os.getpid) for _ in range(3)}
        assert len(pids) == 1
        assert os.getpid() not in pids
    assert _processes() == []


async def test_a_body_read_aside_is_read_as_here() -> None:
    body = b'{"inputs": [[1.5, 2.0], [3.0, -4.25]]}'
    reading, signature = JsonReading(body), Signature(tensors=(TensorSpec(None, "<f8", (-1, 2)),))
    async with running() as aside:
        found = await aside.run(MIDDLING, reading.bind, signature)
        assert found == reading.bind(signature)


def test_buffers_cross_whole_both_ways_on_the_server_s_own_loop() -> None:
    async def story() -> Value:
        data = np.arange(1_000_000, dtype="<f8")
        column = Part("x", "<f8", data.shape, data.data)
        words = Part("words", "json", (1,), b'["\xc3\xa4"]' * 100_000)
        async with running() as aside:
            return await aside.run(LARGE, Value, "frame", (column, words, Part("none", "<f8", (0,), memoryview(b""))))

    numbers, words, none = uvloop.run(story()).parts
    assert len(none.data) == 0
    assert np.array_equal(np.frombuffer(numbers.data), np.arange(1_000_000))
    assert words.data == b'["\xc3\xa4"]' * 100_000


@pytest.mark.parametrize(
    "error",
    [
        MalformedRequest("the body is not JSON"),
        PayloadTooLarge("too many rows"),
        InvalidInputs("", flaws=[Flaw("inputs.x[0]", "inputs.x[0] is a string"), Flaw("inputs.y", "it is missing")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_refusal_arrives_as_it_was_raised(error: ServeError) -> None:
    async with running() as aside:
        with pytest.raises(type(error)) as caught:
            await aside.run(MIDDLING, refuse, error)
    assert vars(caught.value) == vars(error)


@pytest.mark.parametrize("fault", ["1 / 0", "lambda: 'no plain data'"])
async def test_a_fault_of_ours_is_raised_with_its_trace_and_the_process_goes_on(fault: str) -> None:
    async with running() as aside:
        pid = await aside.run(MIDDLING, os.getpid)
        with pytest.raises(RuntimeError, match=r"(?s)Traceback.*(ZeroDivisionError|[Pp]ickl)"):
            await aside.run(MIDDLING, eval, fault)
        assert await aside.run(MIDDLING, os.getpid) == pid


async def test_it_sees_none_of_the_server_s_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    async with running() as aside:
        assert await aside.run(MIDDLING, os.getenv, "AWS_SECRET_ACCESS_KEY") is None
        assert await aside.run(MIDDLING, os.getenv, "PATH") == os.environ["PATH"]


async def test_a_process_killed_while_idle_is_replaced_and_nobody_notices() -> None:
    async with running() as aside:
        first = await aside.run(MIDDLING, os.getpid)
        os.kill(first, signal.SIGKILL)
        assert await aside.run(MIDDLING, os.getpid) != first


async def test_work_that_kills_its_process_twice_is_refused_and_the_next_is_done() -> None:
    async with running() as aside:
        with pytest.raises(AsideDied, match="exited with code 3"):
            await aside.run(MIDDLING, os._exit, 3)
        assert await aside.run(MIDDLING, len, "next") == 4


async def test_work_whose_caller_left_is_stopped_and_the_next_is_done() -> None:
    async with running() as aside:
        pid = await aside.run(MIDDLING, os.getpid)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await aside.run(MIDDLING, time.sleep, 3600)
        assert not psutil.pid_exists(pid)
        assert await aside.run(MIDDLING, len, "next") == 4


async def test_what_was_refused_or_left_is_not_held(uncollected: None) -> None:
    async with running() as aside:
        refused, left = np.zeros(1000), np.zeros(1000)
        refs = [weakref.ref(refused), weakref.ref(left)]
        with contextlib.suppress(InvalidInputs):
            await aside.run(MIDDLING, refuse_inputs, refused)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await aside.run(MIDDLING, sleep, left)
        del refused, left
        await aside.run(MIDDLING, len, "next")
        assert [one() is None for one in refs] == [True, True]


async def test_one_that_waits_its_turn_leaves_as_soon_as_its_caller_does() -> None:
    async with running() as aside:
        first = asyncio.create_task(aside.run(MIDDLING, time.sleep, 3600))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await aside.run(MIDDLING, len, "second")
        await _cancelled(first)


async def test_large_bodies_leave_a_process_to_the_others() -> None:
    async with running(processes=2) as aside:
        large = [asyncio.create_task(aside.run(LARGE, time.sleep, 3600)) for _ in range(3)]
        await asyncio.sleep(0)
        assert await aside.run(MIDDLING, len, "middling") == 8
        await _cancelled(*large)


async def test_a_process_that_can_not_be_started_is_told_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with running() as aside:
        with pytest.raises(AsideDied, match="can't be started"):
            await aside.run(MIDDLING, len, "")


SERVER = """
import asyncio, os, time
from serve.aside import Aside

async def main():
    aside = Aside(1)
    print(await aside.run(10**6, os.getpid), flush=True)
    await aside.run(10**6, time.sleep, 3600)

asyncio.run(main())
"""


def test_it_dies_with_the_server_even_in_the_middle_of_work() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        aside = psutil.Process(int(server.stdout.readline()))
        server.kill()
        aside.wait(5)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
