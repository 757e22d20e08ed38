import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from promote import interruptible


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """As the command has it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def test_what_it_runs_is_returned() -> None:
    assert interruptible.run(asyncio.sleep(0, "done")) == "done"
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_it_runs_which_cleans_up(number: signal.Signals) -> None:
    said = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        interruptible.run(work())
    assert said == ["cleaned up"]
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    async def work() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        return "done"

    assert interruptible.run(work()) == "done"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
