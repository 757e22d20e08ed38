"""The loop of a model's process: load, say ready, then predict and reply until the server is gone.

Started by the server as `python -I serve/child FD` in the model's own interpreter; FD is this end of a
socketpair. End-of-file on it means the server is gone, and so are we. Whatever the model prints goes to stdout
and stderr, which the server logs; the socket carries frames alone. This process owns the model.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import traceback
from typing import Generator

import mlflow.pyfunc

import wire
from model import Model, Streamed, versions

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve one model over the socket whose descriptor is the first argument."""
    leave_with_parent()
    step_aside()
    sys.stdout.reconfigure(line_buffering=True)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        model = None
        while True:
            message = receive(connection)
            if message is None:
                return 0
            if isinstance(message, wire.Load):
                model = load(connection, message.folder)
                if model is None:
                    return 1
            elif isinstance(message, wire.Predict):
                send(connection, model.predict(message.values, message.params))
            elif isinstance(message, wire.Stream):
                stream(connection, model.stream(message.value, message.params))
            elif isinstance(message, wire.Ping):
                send(connection, wire.Pong())


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
    for name in ("faults", "inputs", "model", "outputs", "plain", "wire"):
        sys.modules.pop(name, None)


def load(connection: socket.socket, folder: str) -> Model | None:
    """The loaded model, after saying so; None after saying why not."""
    try:
        model = Model(mlflow.pyfunc.load_model(folder))
    except BaseException as error:
        fault = wire.Fault("worker", type(error).__name__, str(error), traceback.format_exc())
        send(connection, wire.Failed(fault))
        return None
    send(connection, wire.Ready({**versions(), "streams": model.streams}))
    return model


def stream(connection: socket.socket, replies: Generator[Streamed, bool, None]) -> None:
    """Send a chunk for each that is asked for, until the last word of the stream."""
    send(connection, reply := next(replies))
    while isinstance(reply, wire.Chunk):
        reply = replies.send(isinstance(receive(connection), wire.Next))
        send(connection, reply)


def receive(connection: socket.socket) -> wire.Message | None:
    """The next message; None where the server closed its end."""
    prefix = read_exactly(connection, wire.PREFIX.size)
    if prefix is None:
        return None
    header_bytes, body_bytes = wire.lengths(prefix)
    header = read_exactly(connection, header_bytes)
    body = read_exactly(connection, body_bytes)
    if header is None or body is None:
        return None
    return wire.decode(header, body)


def read_exactly(connection: socket.socket, count: int) -> bytearray | None:
    """`count` bytes in a buffer of their own, writable because models may write to their input; None at EOF."""
    buffer = bytearray(count)
    view = memoryview(buffer)
    while view:
        received = connection.recv_into(view)
        if received == 0:
            return None
        view = view[received:]
    return buffer


def send(connection: socket.socket, message: wire.Message) -> None:
    """Write one message whole."""
    for buffer in wire.encode(message):
        connection.sendall(buffer)


if __name__ == "__main__":
    sys.exit(main())
