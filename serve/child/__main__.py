"""The loop of a model's process: load, say ready, then predict and reply until the server is gone.

Started by the server as `python -I serve/child FD` in the model's own interpreter; FD is this end of a
socketpair. End-of-file on it means the server is gone, and so are we. Whatever the model prints goes to stdout
and stderr, which the server logs; the socket carries frames alone. This process owns the model.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import traceback
from typing import Generator

gc.disable()  # until the model is loaded: looking for garbage in what stays anyway is a quarter of the time it takes

import marks
import wire

marks.begin()

try:
    import mlflow.pyfunc

    import plain
    from model import Model, Streamed, versions
except ImportError as error:  # the recipe lacks what even MLflow needs: the server is told what, once it has asked
    with socket.socket(fileno=int(sys.argv[1])) as end:
        end.recv(2**20)
        fault = wire.Fault("worker", type(error).__name__, str(error), traceback.format_exc())
        end.sendall(b"".join(wire.encode(wire.Failed(fault))))
    sys.exit(1)

PR_SET_PDEATHSIG = 1
MOST_BUFFERS = 512  # for one system call; Linux takes 1,024


def main() -> int:
    """Serve one model over the socket whose descriptor is the first argument."""
    leave_with_parent()
    step_aside()
    with socket.socket(fileno=int(sys.argv[1])) as end:
        connection, model = Connection(end), None
        while True:
            message = connection.receive()
            if message is None:
                return 0
            if isinstance(message, wire.Load):
                plain.bound(message.max_answer_bytes)
                model = load(connection, message)
                if model is None:
                    return 1
            elif isinstance(message, wire.Batch):
                with marks.batch(message.number):
                    answers = model.predict_batch(message)
                connection.send(answers)
            elif isinstance(message, wire.Predict):
                with marks.batch(message.number):
                    answers = model.predict(message.values, message.params)
                connection.send(answers)
            elif isinstance(message, wire.Stream):
                with marks.batch(message.number):
                    stream(connection, model.stream(message.value, message.params))
            elif isinstance(message, wire.Ping):
                connection.send(wire.Pong())


def leave_with_parent() -> None:
    """Ask Linux to kill us when the server dies, even in the middle of a prediction.

    Ctrl-C on a terminal reaches every process there: how to stop is the server's decision, not ours.
    """
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def step_aside() -> None:
    """Give up our modules' names and folder: the model's own code may have a `model.py` too."""
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    for name in ("enforcement", "faults", "inputs", "marks", "model", "outputs", "plain", "threads", "wire"):
        sys.modules.pop(name, None)


def load(connection: Connection, asked: wire.Load) -> Model | None:
    """The loaded model, after saying so; None after saying why not.

    What has been loaded by then is not looked through for garbage again, which takes a fifth of a second each time.
    """
    try:
        model = Model(mlflow.pyfunc.load_model(asked.folder), asked.row_by_row)
    except BaseException as error:
        fault = wire.Fault("worker", type(error).__name__, str(error), traceback.format_exc())
        connection.send(wire.Failed(fault))
        return None
    gc.freeze()
    gc.enable()
    connection.send(wire.Ready({**versions(), "streams": model.streams}))
    return model


def stream(connection: Connection, replies: Generator[Streamed, bool, None]) -> None:
    """Send a chunk for each that is asked for, until the last word of the stream."""
    connection.send(reply := next(replies))
    while isinstance(reply, wire.Chunk):
        reply = replies.send(isinstance(connection.receive(), wire.Next))
        connection.send(reply)


class Connection:
    """This end of the socket: whole messages in and out."""

    def __init__(self, end: socket.socket) -> None:
        self._end, self._assembler = end, wire.Assembler()
        self._received: list[wire.Message] = []

    def receive(self) -> wire.Message | None:
        """The next message; None where the server closed its end."""
        while not self._received:
            count = self._end.recv_into(self._assembler.space())
            if count == 0:
                return None
            self._received = self._assembler.take(count)
        return self._received.pop(0)

    def send(self, message: wire.Message) -> None:
        """Write one message whole, gathered from where its data lies."""
        buffers = [memoryview(buffer) for buffer in wire.encode(message)]
        while buffers:
            sent = self._end.sendmsg(buffers[:MOST_BUFFERS])
            while buffers and sent >= len(buffers[0]):
                sent -= len(buffers.pop(0))
            if buffers:
                buffers[0] = buffers[0][sent:]


if __name__ == "__main__":
    sys.exit(main())
