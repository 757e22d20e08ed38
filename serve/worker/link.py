"""The server's end of the socket to a child: messages in as they come, and a batch as it travels, joined by rows."""

import asyncio
from collections.abc import Callable

from serve.child import wire

_BESIDE_BYTES = 2**20  # that a message may have beside its answers


class Connection(asyncio.BufferedProtocol):
    """The server's end of the socket: calls `received` with each reply; `over` says how it ended.

    Who speaks without being asked is hung up on: a model that never stops would leave the server no time for others.
    """

    def __init__(self, received: Callable[[wire.Message], None]) -> None:
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._received, self._assembler = received, wire.Assembler()
        self._is_asked = False

    def expect(self, asked: wire.Message, max_answer_bytes: int) -> None:
        """Take one reply, and no more than may be answered to this, whatever the model's process announces."""
        self._is_asked = True
        self._assembler.most_bytes = _answers(asked) * max_answer_bytes + _BESIDE_BYTES

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._assembler.space()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for message in self._assembler.take(nbytes):
                if not self._is_asked:
                    raise wire.WireError("it spoke out of turn")
                self._is_asked = False
                self._received(message)
        except wire.WireError as error:
            self._finish(str(error))

    def eof_received(self) -> None:
        self._finish("it closed its connection")

    def connection_lost(self, error: Exception | None) -> None:
        self._finish("it closed its connection")

    def _finish(self, how: str) -> None:
        if not self.over.done():
            self.over.set_result(how)


def _answers(asked: wire.Message) -> int:
    """How many answers there may be."""
    if isinstance(asked, wire.Predict):
        return len(asked.values)
    if isinstance(asked, wire.Batch):
        return len(asked.rows)
    return int(isinstance(asked, wire.Stream | wire.Next | wire.Stop))


def joined(message: wire.Predict) -> wire.Predict | wire.Batch:
    """The same as it travels: several values as one."""
    if len(message.values) < 2:
        return message
    rows = tuple([value.rows for value in message.values])
    return wire.Batch(wire.join(message.values), rows, message.params, message.number)


def answers(reply: wire.Message, asked: wire.Predict | wire.Batch) -> wire.Answers | None:
    """One answer for each value asked, as it travelled; None where the reply is no such thing."""
    values = len(asked.rows if isinstance(asked, wire.Batch) else asked.values)
    if isinstance(reply, wire.Results) and isinstance(asked, wire.Batch):
        if any(part.shape[:1] != (sum(asked.rows),) for part in reply.value.parts):
            return None
        reply = wire.Answers(tuple(wire.cut(reply.value, asked.rows)), reply.seconds)
    return reply if isinstance(reply, wire.Answers) and len(reply.answers) == values else None
