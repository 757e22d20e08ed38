"""asyncio's `run` for a command: SIGTERM and SIGHUP interrupt it as Ctrl-C does.

They cancel what runs, so that what it started ends first. Raised from a signal's handler instead, in the middle of the
event loop, KeyboardInterrupt would leave tasks behind that nobody ends, and of which asyncio complains.
"""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_TOLD_BY = (signal.SIGTERM, signal.SIGHUP)


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; `KeyboardInterrupt` where a signal ends it. Signals that are ignored stay so."""
    handlers = {number: signal.getsignal(number) for number in _TOLD_BY}
    heeded = [number for number, handler in handlers.items() if handler is not signal.SIG_IGN]
    try:
        return asyncio.run(_until_told(work, heeded))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in heeded:
            signal.signal(number, handlers[number])


async def _until_told(work: Coroutine[Any, Any, T], heeded: list[signal.Signals]) -> T:
    task = asyncio.ensure_future(work)
    for number in heeded:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task
