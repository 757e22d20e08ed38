"""Large bodies are read and written aside, in processes of their own, so that they hold up no other request.

orjson and numpy keep the GIL for the whole of a body: as long as a second for 20 MB, in which the server would
answer nobody, not even from a thread. In goes a function of ours with plain data, out comes its result or the
`ServeError` it raised; what a model's code made is never unpickled, for it arrives as raw bytes (`child.wire`).

`Aside` owns the processes, on the event loop. Each is started when first needed, does one thing at a time, and
is killed where nobody waits for it any more. It leaves when the server is gone, however that ended. As it parses what
strangers send, it is confined as a model is, and more: it reads the server's code, writes nothing, has no network.
"""

import asyncio
import contextlib
import ctypes
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, TypeVar

import structlog

import serve
from serve.child.wire import Buffer
from serve.errors import AsideDied, SandboxFailed, ServeError
from serve.worker.confinement import Confinement, start
from serve.worker.ending import ending

log = structlog.get_logger()

Result = TypeVar("Result")

INLINE_BYTES = 128 * 2**10  # up to here the trip is not worth its time
LARGE_BYTES = 4 * 2**20  # from here on it takes long enough to be worth waiting for by none but its like
_PR_SET_PDEATHSIG = 1
_CODE = Path(serve.__file__).parent
_READABLE = ((str(_CODE), "read"), (str(_CODE.parent), "list"))  # an import looks through the folder around it
_CONFINED = Confinement()
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")  # of the server's: none of its credentials
_VARIABLES = {
    "OPENBLAS_NUM_THREADS": "1",  # no work for them here, and each takes memory
    # glibc gives what a body took back to the system, and the next would fault it in anew: half of the time it takes.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}


class Aside:
    """At most `processes` of them; more work than that waits its turn, as long as its caller does.

    Where there are several, one is kept from the large bodies, so that those of middling size need not wait for them.
    """

    def __init__(
        self,
        processes: int,
        inline_bytes: int = INLINE_BYTES,
        large_bytes: int = LARGE_BYTES,
        confinement: Confinement = _CONFINED,
    ) -> None:
        self._inline_bytes, self._large_bytes, self._confinement = inline_bytes, large_bytes, confinement
        self._turns = asyncio.Semaphore(processes)
        self._large_turns = asyncio.Semaphore(max(1, processes - 1))
        self._idle: list[_Process] = []
        self._threads = ThreadPoolExecutor(processes, "aside")  # each waits for one process, and keeps no GIL

    def takes(self, size: int) -> bool:
        """Whether work on so many bytes is done aside."""
        return size > self._inline_bytes

    async def run(self, size: int, work: Callable[..., Result], *arguments: Any) -> Result:
        """What `work(*arguments)`, on `size` bytes, returns or raises; `AsideDied` where it ends its process twice.

        Little work is done here and now. Otherwise all of it must be picklable; cancelled, it is stopped.
        """
        if not self.takes(size):
            return work(*arguments)
        async with self._large_turns if size >= self._large_bytes else contextlib.nullcontext(), self._turns:
            try:
                return await self._once(work, arguments)
            except _Died as death:  # perhaps not by this work: killed while it was idle
                log.warning("process aside died", how=str(death))
            try:
                return await self._once(work, arguments)
            except _Died as death:
                raise AsideDied(str(death)) from None

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(process.stop() for process in self._idle))
        self._idle.clear()
        self._threads.shutdown(wait=False)

    async def _once(self, work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
        process = self._idle.pop() if self._idle else await _start(self._threads, self._confinement)
        try:
            result, error, trace = await process.ask((work, arguments))
        except BaseException:
            await process.stop()
            raise
        self._idle.append(process)
        if trace:
            raise RuntimeError(f"it failed aside:\n{trace}")
        if error is not None:
            try:
                raise error
            finally:
                del error  # or its trace would hold it, and with it the body, until the collector comes by
        return result  # type: ignore[no-any-return]  # of `work`, by way of bytes


class _Died(Exception):
    """The process ended before it had answered; the message says how."""


class _Process:
    """The server's side of one process, and of the socket to it."""

    def __init__(self, child: asyncio.subprocess.Process, end: socket.socket, threads: ThreadPoolExecutor) -> None:
        self._child, self._end, self._threads = child, end, threads
        self._incoming = end.makefile("rb")
        self._exchange: asyncio.Future[Any] | None = None

    async def ask(self, job: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
        """What the process answers, or `_Died`. After any exception it must be stopped."""
        loop = asyncio.get_running_loop()
        self._exchange = loop.run_in_executor(self._threads, self._send_and_receive, job)
        try:
            return await asyncio.shield(self._exchange)
        except (EOFError, ConnectionError):
            await self._child.wait()
            raise _Died(ending(self._child.returncode or 0)) from None

    def _send_and_receive(self, job: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
        _send(self._end, pack(job))
        return _receive(self._incoming)

    async def stop(self) -> None:
        """End the process, and wait until nothing of it is left."""
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        await self._child.wait()
        exchange, self._exchange = self._exchange, None  # its error would hold it, and us hold that: a cycle
        if exchange is not None:  # its thread sees the end of the stream now
            await asyncio.gather(exchange, return_exceptions=True)
        self._incoming.close()
        self._end.close()


async def _start(threads: ThreadPoolExecutor, confinement: Confinement) -> _Process:
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            child, confined = await start(
                confinement,
                [sys.executable, "-P", "-m", "serve.aside", str(theirs.fileno())],  # nothing from where we were started
                _READABLE,
                theirs.fileno(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env={key: os.environ[key] for key in _KEPT if key in os.environ} | _VARIABLES,
                start_new_session=True,  # Ctrl-C is for the server, which knows how to stop
            )
    except OSError as error:
        ours.close()
        raise _Died(f"it can't be started: {error}") from None
    except BaseException:
        ours.close()
        raise
    process = _Process(child, ours, threads)
    try:
        await confined
    except (OSError, SandboxFailed) as error:
        await process.stop()
        raise _Died(f"it can't be started: {error}") from None
    except BaseException:
        await process.stop()
        raise
    return process


def _done(work: Callable[..., Any], arguments: tuple[Any, ...]) -> list[Buffer]:
    """The answer to a job: its result, or the refusal it raised, or the trace of any other error."""
    try:
        return pack((work(*arguments), None, ""))
    except ServeError as error:
        return pack((None, error, ""))
    except Exception:
        return pack((None, None, traceback.format_exc()))


def pack(thing: Any) -> list[Buffer]:
    """`thing` as buffers to be written one after another; what is large within it is not copied."""
    buffers: list[Buffer] = []
    pickler = pickle.Pickler(SimpleNamespace(write=buffers.append), protocol=5)
    pickler.dispatch_table = {memoryview: lambda view: (memoryview, (pickle.PickleBuffer(view),))}
    pickler.dump(thing)
    return buffers


def _send(end: socket.socket, packed: list[Buffer]) -> None:
    for buffer in packed:
        end.sendall(buffer)


def _receive(incoming: BinaryIO) -> Any:
    """The next thing; `EOFError` where the other side is gone. What is large is read straight to where it stays."""
    return pickle.load(incoming)  # noqa: S301  # written by this very file, in the other process


def main() -> None:
    """Do what is asked over the socket whose descriptor is the first argument, until the server is gone."""
    if sys.platform == "linux":  # elsewhere we leave as soon as the work in hand is done
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with (
        socket.socket(fileno=int(sys.argv[1])) as end,
        end.makefile("rb") as incoming,
        contextlib.suppress(EOFError, ConnectionError),
    ):
        while True:
            _send(end, _done(*_receive(incoming)))


if __name__ == "__main__":
    main()
