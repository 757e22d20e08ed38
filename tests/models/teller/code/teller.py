"""A model that answers in chunks: its prompt with a number behind it, `count` times; whole, the same at once.

A fault is asked for as "raise 2": before the chunk of that number. What it does is noted in the file `diary`.
"""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd


def _load_pyfunc(path):
    return Teller()


class Teller:
    def predict(self, frame, params=None):
        rows = frame.to_dict(orient="records")
        return [" ".join(self.predict_stream(row, params)) for row in rows]

    def predict_stream(self, row, params=None):
        fault, _, at = (row.get("fault") or "").partition(" ")
        try:
            for number in range(int(row.get("count") or 3)):
                if at == str(number):
                    yield from _act(fault)
                _note(row, number)
                yield f"{row['prompt']} {number}{(params or {}).get('mark', '')}"
        finally:
            if at == "end":
                _act_at_end(fault)
            _note(row, "closed")


def _act(fault):
    if fault == "raise":
        raise ValueError("the teller was asked to raise, with a secret in its message: hunter2")
    if fault == "exit":
        os._exit(0)
    if fault == "hang":
        time.sleep(3600)
    if fault == "unsayable":
        yield object()
    if fault == "kinds":
        yield from (
            "é\n",
            1.5,
            float("nan"),
            None,
            True,
            {"a": np.int64(1)},
            np.array([1, 2]),
            pd.DataFrame({"a": [1]}),
        )
    if fault == "large":
        yield "x" * 10_000_000


def _act_at_end(fault):
    if fault == "hang":
        time.sleep(3600)
    if fault == "raise":
        raise ValueError("the teller was asked to raise at its end")


def _note(row, what):
    if row.get("diary"):
        with Path(row["diary"]).open("a") as diary:
            diary.write(f"{what}\n")
