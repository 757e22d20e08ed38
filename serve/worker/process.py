"""One child process: spawn, load, predict, stop; its state is an enum, and every change of it is in a table.

Owned by one pool, on the event loop. The child runs in the model's interpreter with a scrubbed environment and
a scratch folder of its own; the only link is a socketpair carrying frames, one question at a time. A child may
die at any moment: whoever waits for its answer gets `Died`, and `died` is set.
"""

import asyncio
import enum
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from serve import scratch
from serve.child import wire
from serve.errors import LoadFailed, MachineFailed
from serve.worker import command as commands
from serve.worker import link
from serve.worker.batches import Batches
from serve.worker.command import CHILD, Command
from serve.worker.confinement import UNCONFINED
from serve.worker.ending import Memory, kill_group, leave_nothing
from serve.worker.output import Output

__all__ = ["CHILD", "NEXT", "Command", "Died", "Process", "State"]

log = structlog.get_logger()

_LAST_WORDS_SECONDS = 1.0


class State(enum.StrEnum):
    """What a process is doing."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    DEAD = "dead"


NEXT: Mapping[State, frozenset[State]] = {
    State.STARTING: frozenset({State.READY, State.DEAD}),
    State.READY: frozenset({State.BUSY, State.DEAD}),
    State.BUSY: frozenset({State.READY, State.DEAD}),
    State.DEAD: frozenset(),
}


class Died(Exception):
    """The process ended while something was asked of it; the message says how."""


class Process:
    """A child that holds one model."""

    def __init__(self, command: Command) -> None:
        self.state = State.STARTING
        self.died = asyncio.Event()
        self.how = ""
        self.facts: Mapping[str, Any] = {}
        self.sandbox = UNCONFINED  # what is in force, once it is known
        self.pid = 0
        self.batches = Batches()
        self._command = command
        self._pending: asyncio.Future[wire.Message] | None = None
        self._writer: asyncio.WriteTransport
        self._connection: link.Connection
        self._loop: asyncio.AbstractEventLoop  # the one it was started on
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, timeout_seconds: float) -> None:
        """Spawn and load, then READY; `LoadFailed` where the model can't be or takes too long, or `MachineFailed`.

        `SandboxFailed` where the process can't be confined as it must be.
        """
        name = self._command.name
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._spawn()
                reply = await self._ask(_load(self._command))
        except TimeoutError:
            raise LoadFailed(f"model '{name}' did not load within {timeout_seconds:g} seconds") from None
        except Died as death:
            raise LoadFailed(f"model '{name}' ended its process while loading ({death})") from None
        except (FileNotFoundError, PermissionError) as error:
            raise LoadFailed(f"model '{name}': {self._command.python} can't be started: {error}") from None
        except OSError as error:
            raise MachineFailed(error) from error
        if isinstance(reply, wire.Failed):
            log.error("load failed", model=name, trace=reply.fault.trace)
            hint = self._command.confinement.hint(reply.fault.message)
            raise LoadFailed(f"model '{name}' can't be loaded: {reply.fault.kind}: {reply.fault.message}{hint}")
        if not isinstance(reply, wire.Ready):
            raise LoadFailed(f"model '{name}' answered out of turn while loading")
        if self.died.is_set():  # with "ready" as its last word
            raise LoadFailed(f"model '{name}' ended its process once it had loaded ({self.how})")
        self.facts = reply.facts
        self._become(State.READY)

    async def predict(self, message: wire.Predict, timeout_seconds: float) -> wire.Answers:
        """The answers to a batch of one layout; `Died` where the process ends first. READY before and after.

        Cancelled in the middle, or late (`TimeoutError`), the process is of no more use: its owner must stop it.
        """
        if self.state is State.DEAD:  # it may die between being idle and being asked
            raise Died(self.how)
        self._become(State.BUSY)
        asked = link.joined(message)
        answers = link.answers(await self._ask(asked, timeout_seconds), asked)
        if answers is None:
            await self.stop()
            raise Died("it answered out of turn")
        if not self.died.is_set():  # as it is where this answer was its last word
            self._become(State.READY)
        return answers

    async def stream(self, message: wire.Stream | wire.Next | wire.Stop) -> wire.Chunk | wire.Done | wire.Failed:
        """The next of an answer in chunks; `Died` where the process ends first. BUSY until it is no chunk any more.

        Cancelled in the middle, the process is of no more use, as with `predict`.
        """
        if self.state is State.DEAD:
            raise Died(self.how)
        if isinstance(message, wire.Stream):
            self._become(State.BUSY)
        reply = await self._ask(message)
        if not isinstance(reply, wire.Chunk | wire.Done | wire.Failed):
            await self.stop()
            raise Died("it answered out of turn")
        if not isinstance(reply, wire.Chunk) and not self.died.is_set():
            self._become(State.READY)
        return reply

    async def beats(self, seconds: float) -> bool:
        """Whether an idle process is not frozen: one that does not say within so long that it is there is ended."""
        if self.state is State.DEAD:
            return True
        self._become(State.BUSY)
        try:
            await self._ask(wire.Ping(), seconds)
        except TimeoutError:
            await self.stop()
            return False
        except Died:
            return True
        if not self.died.is_set():
            self._become(State.READY)
        return True

    def kill(self) -> None:
        """End the process and all it started, at once."""
        if self.pid and self.state is not State.DEAD:
            kill_group(self.pid)

    async def stop(self) -> None:
        """End the process and wait until nothing of it is left."""
        self.kill()
        if self._tasks:
            listener, *others = self._tasks
            await asyncio.wait((listener,))
            # What left the group, such as a daemon, may hold the pipes open for ever: no reason to wait for it.
            _, waiting = await asyncio.wait(others, timeout=_LAST_WORDS_SECONDS)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if self.state is not State.DEAD:
            self._become(State.DEAD)

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        place = scratch.make(self._command.state)
        try:
            with theirs:
                child, confined = await commands.start(self._command, theirs.fileno(), place)
            self.pid = child.pid
            ours.setblocking(False)
            self._loop = asyncio.get_running_loop()
            self._writer, self._connection = await self._loop.create_unix_connection(
                lambda: link.Connection(self._received), sock=ours
            )
        except BaseException:
            ours.close()
            scratch.remove(place)
            raise
        self._tasks = [
            asyncio.create_task(self._until_gone(child, Memory(child.pid), self._connection.over, place)),
            asyncio.create_task(self._relay(child.stdout, "stdout")),
            asyncio.create_task(self._relay(child.stderr, "stderr")),
            asyncio.create_task(leave_nothing(child)),
        ]
        self.sandbox = await confined

    async def _ask(self, message: wire.Message, timeout_seconds: float | None = None) -> wire.Message:
        if self.state is State.DEAD:
            raise Died(self.how)
        pending: asyncio.Future[wire.Message] = self._loop.create_future()
        self._pending = pending
        self._connection.expect(message, self._command.max_answer_bytes)
        if not self._writer.is_closing():  # the end was seen, and how it came will be told; uvloop would raise
            self._writer.writelines(wire.encode(message))
        if timeout_seconds is None:
            return await pending
        alarm = self._loop.call_later(max(0.0, timeout_seconds), _too_late, pending)
        try:
            return await pending
        finally:
            alarm.cancel()

    def _received(self, reply: wire.Message) -> None:
        """Hand a reply to whoever asked."""
        if self._pending is not None and not self._pending.done():
            self._pending.set_result(reply)

    async def _until_gone(
        self, child: asyncio.subprocess.Process, memory: Memory, over: asyncio.Future[str], place: Path
    ) -> None:
        """Wait for the end of the connection, reap the child and tell."""
        how = "it closed its connection"
        try:
            how = await over
        finally:
            self._writer.close()
            self._end(await self._reap(child, memory, how))
            await asyncio.to_thread(scratch.remove, place)  # which may hold a million files

    async def _reap(self, child: asyncio.subprocess.Process, memory: Memory, how: str) -> str:
        """Wait for the child, killing it where it lives on without its connection → how it ended."""
        try:
            async with asyncio.timeout(1.0):
                await child.wait()
        except TimeoutError:
            kill_group(child.pid)
            await child.wait()
            return how
        return memory.told(child.returncode or 0)

    def _end(self, how: str) -> None:
        self.how = how
        self._become(State.DEAD)
        self.died.set()
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(Died(how))

    async def _relay(self, stream: asyncio.StreamReader | None, name: str) -> None:
        """What the model prints goes to the log, never into the protocol, and never blocks it."""
        assert stream is not None
        try:
            await Output(self._command.name, name, told=self.batches.told).relay(stream)
        except asyncio.CancelledError:  # no end will come, so the pipe is ours to close; asyncio has no public way
            stream._transport.close()  # type: ignore[attr-defined]
            raise

    def _become(self, state: State) -> None:
        if state not in NEXT[self.state]:
            raise AssertionError(f"a process can't go from {self.state} to {state}")
        self.state = state


def _load(command: Command) -> wire.Load:
    return wire.Load(str(command.folder), command.max_answer_bytes, command.row_by_row)


def _too_late(pending: "asyncio.Future[wire.Message]") -> None:
    if not pending.done():
        pending.set_exception(TimeoutError())
