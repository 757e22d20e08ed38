"""A model whose right answer a caller can compute: y = x · factor, beside the factor of the release that answered.

Faults are asked for in the request, in the optional column `fault`, and happen to the row that asks.
"""

import ctypes
import os
import subprocess
import time
from pathlib import Path

import pandas as pd


def _load_pyfunc(path):
    folder = Path(path)
    on_load = (folder / "on_load.txt").read_text().strip() if (folder / "on_load.txt").exists() else ""
    _act(on_load)
    return Oracle(float((folder / "factor.txt").read_text()))


class Oracle:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, frame):
        faults = frame["fault"].tolist() if "fault" in frame else []
        for fault in faults:
            _act(fault)
        answer = pd.DataFrame({"y": frame["x"] * self.factor, "factor": self.factor})
        return answer.iloc[:-1] if "short" in faults else answer


def _act(fault):
    if fault == "raise":
        raise ValueError("the oracle was asked to raise, with a secret in its message: hunter2")
    if fault == "exit":
        os._exit(0)
    if fault == "segv":
        ctypes.string_at(0)
    if fault == "fork":  # a fork holds all that its parent had open
        if os.fork():
            os._exit(1)
        time.sleep(3600)
    if fault == "daemon":  # one that left the process group holds the pipes
        subprocess.Popen(["sleep", "30"], start_new_session=True)
        os._exit(1)
    if fault == "hang":
        time.sleep(3600)
    if fault == "nap":
        time.sleep(0.3)
    if fault == "print":
        os.write(1, b"x" * 300_000 + b"\n")
    if fault == "environment":
        raise ValueError(",".join(sorted(os.environ)))
