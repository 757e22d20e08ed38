"""A model whose right answer a caller can compute: y = x · factor, beside the factor of the release that answered.

So y / factor is the row's own x, and tells whose answer it is. Faults are asked for in the request, in the optional
column `fault`, by a word of `FAULTS`, `ITEMS` or `SHAPES` and, where it takes one, an amount, as in "leak:8". They
happen to the process, to the row that asks, or to its whole batch; `on_load.txt` in the model's data asks for one of
the first at load, and `dies_from.txt` names the x from which on every row ends the process. nap:S (0.3) makes a batch
take as long as the longest that is asked for.
"""

import contextlib
import ctypes
import datetime
import decimal
import gc
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pandas as pd

MIB = 2**20
leaked = []


def _load_pyfunc(path):
    folder = Path(path)
    if (folder / "on_load.txt").exists():
        word, amount = _word((folder / "on_load.txt").read_text().strip())
        FAULTS[word](amount)
    dies_from = folder / "dies_from.txt"
    return Oracle(
        float((folder / "factor.txt").read_text()),
        float(dies_from.read_text()) if dies_from.exists() else float("inf"),
    )


class Oracle:
    def __init__(self, factor, dies_from):
        self.factor, self.dies_from = factor, dies_from

    def predict(self, frame):
        if (frame["x"] >= self.dies_from).any():
            os._exit(1)
        answer = pd.DataFrame({"y": frame["x"].to_numpy(copy=True) * self.factor, "factor": self.factor})
        asked = [_word(cell) for cell in frame["fault"]] if "fault" in frame else []
        time.sleep(max((float(amount or 0.3) for word, amount in asked if word == "nap"), default=0.0))
        for row, (word, amount) in enumerate(asked):
            if word in ITEMS:
                answer["y"] = answer["y"].astype(object)
                answer.at[row, "y"] = ITEMS[word](amount)
            elif word in FAULTS:
                FAULTS[word](amount)
                if word == "mutate":
                    frame.loc[:, "x"] = -1.0
        shape = next((SHAPES[word] for word, _ in asked if word in SHAPES), None)
        return answer if shape is None else shape(answer)


def _word(cell):
    """The fault and its amount; amount is text, and both are empty where none is asked for."""
    return tuple(cell.partition(":")[::2]) if isinstance(cell, str) else ("", "")


def raises(_):
    """raise: an exception with a secret in its message."""
    raise ValueError("the oracle was asked to raise, with a secret in its message: hunter2")


def environment(_):
    """environment: an exception that lists the names of the environment's variables."""
    raise ValueError(",".join(sorted(os.environ)))


def collector(_):
    """collector: an exception that says whether garbage is looked for, and among how many objects it is not."""
    raise ValueError(f"{gc.isenabled()},{gc.get_freeze_count()}")


def segv(_):
    """segv: read address 0."""
    ctypes.string_at(0)


def abort(_):
    """abort: end by SIGABRT, as failed assertions in C do."""
    os.abort()


def exits(code):
    """exit:CODE (0): leave at once, without any cleanup."""
    os._exit(int(code or 0))


def oom(most):
    """oom:MIB (8192): allocate, and touch, until a memory limit ends it, or so much was had without meeting one."""
    held = []
    for _ in range(int(most or 8192) // 16):
        held.append(b"x" * (16 * MIB))
    raise MemoryError("the oracle met no memory limit")


def leak(size):
    """leak:MIB (1): keep so much more memory from now on."""
    leaked.append(b"x" * (int(size or 1) * MIB))


def hang(_):
    """hang: wait for ever in a system call."""
    time.sleep(3600)


def loop(_):
    """loop: compute for ever, in Python."""
    while True:
        pass


def gil(_):
    """gil: wait for ever in C without letting go of Python's lock."""
    ctypes.PyDLL(None).sleep(3600)


def freeze(_):
    """freeze: stop the process, as SIGSTOP does."""
    os.kill(os.getpid(), signal.SIGSTOP)


def prints(_):
    """print: one line of 300 kB."""
    os.write(1, b"x" * 300_000 + b"\n")


def say(word):
    """say:WORD: print a word, as Python does."""
    print(word)


def flood(size):
    """flood:MIB (1): lines of 1 KiB on stdout."""
    for _ in range(int(size or 1)):
        os.write(1, (b"x" * 1023 + b"\n") * 1024)


def fork(_):
    """fork: leave, and a fork behind that holds all that its parent had open."""
    if os.fork():
        os._exit(1)
    time.sleep(3600)


def daemon(_):
    """daemon: leave, and a process behind that holds the pipes, and left the group if it may."""
    orphan("30")
    os._exit(1)


def orphan(lifetime):
    """orphan:S (30): start a process that holds the pipes, and leaves the group if it may, and answer."""
    try:
        subprocess.Popen(["sleep", lifetime or "30"], start_new_session=True)
    except PermissionError:
        subprocess.Popen(["sleep", lifetime or "30"])


def close(which):
    """close: close descriptors 0 to 20 but for the server's; close:all: that one too."""
    ours = {int(sys.argv[1])}
    for descriptor in {*range(21)} | ours if which == "all" else {*range(21)} - ours:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def mutate(_):
    """mutate: change the input, in `predict`, the folder, the environment and what signals do."""
    os.chdir("/")
    os.environ.clear()
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def threads(_):
    """threads: begin threads of Python's, and of torch's, which has as many as it may compute with."""
    import threading

    import torch

    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    torch.nn.functional.conv2d(torch.ones(8, 16, 64, 64), torch.ones(16, 16, 3, 3))


FAULTS = {
    "raise": raises,
    "environment": environment,
    "collector": collector,
    "segv": segv,
    "abort": abort,
    "exit": exits,
    "oom": oom,
    "leak": leak,
    "hang": hang,
    "loop": loop,
    "gil": gil,
    "freeze": freeze,
    "print": prints,
    "say": say,
    "flood": flood,
    "fork": fork,
    "daemon": daemon,
    "orphan": orphan,
    "close": close,
    "mutate": mutate,
    "threads": threads,
}

# What stands in place of the row's y.
ITEMS = {
    "nan": lambda _: float("nan"),
    "huge": lambda size: "x" * int(size),  # huge:BYTES
    "item": lambda name: TYPES[name],  # item:NAME
}

TYPES = {
    "true": True,
    "int": 7,
    "float": 0.1,
    "inf": float("inf"),
    "-inf": float("-inf"),
    "text": 'a "quoted" \u2028 text',
    "empty": "",
    "bytes": b"\xff\x00",
    "none": None,
    "na": pd.NA,
    "nat": pd.NaT,
    "date": datetime.date(2024, 5, 31),
    "datetime": datetime.datetime(2024, 5, 31, 12, 30),
    "zoned": datetime.datetime(2024, 5, 31, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    "timestamp": pd.Timestamp("2024-05-31T12:00:00.000000001"),
    "timedelta": pd.Timedelta(seconds=1),
    "time": datetime.time(12, 30),
    "decimal": decimal.Decimal("0.1"),
    "uuid": uuid.UUID(int=7),
    "period": pd.Period("2024-05"),
    "bool_": np.bool_(True),
    "int8": np.int8(-7),
    "uint64": np.uint64(2**64 - 1),
    "float16": np.float16(0.5),
    "float32": np.float32(0.1),
    "longdouble": np.longdouble(0.1),
    "array": np.arange(3),
    "list": [1, None, float("nan")],
    "tuple": (1, "a"),
    "set": {1},
    "dict": {"a": [float("inf")]},
}

# What the whole batch's answer becomes.
SHAPES = {
    "rows-1": lambda answer: answer.iloc[:-1],
    "rows+1": lambda answer: pd.concat([answer, answer.iloc[:1]]),
    "rows0": lambda answer: answer.iloc[:0],
    "none": lambda answer: None,
    "scalar": lambda answer: 42.0,
    "generator": lambda answer: (row for row in answer["y"].tolist()),
}
