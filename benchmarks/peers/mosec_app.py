"""An MLflow model behind mosec, as its documentation would have it written: one worker, batching on.

`MODEL=… MAX_BATCH=… WAIT_MS=… python mosec_app.py --address … --port …`. With ORJSON=1 it is `Tuned`.
"""

import os
from typing import Any

import mlflow.pyfunc
import numpy as np
import orjson
import pandas as pd
from mosec import Server, Worker


class Predictor(Worker):
    """One MLflow model. Requests may name their columns in any order, so each is a frame of its own, joined by name."""

    def __init__(self) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])

    def forward(self, data: list[Any]) -> list[Any]:
        if "inputs" in data[0]:
            parts: list[Any] = [np.asarray(one["inputs"], dtype=np.float32) for one in data]
            batch: Any = np.concatenate(parts)
        else:
            parts, batch = self.frames([one["dataframe_split"] for one in data])
        found = np.asarray(self.model.predict(batch))
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return [{"predictions": piece.tolist()} for piece in np.split(found, ends)]

    def frames(self, splits: list[Any]) -> tuple[list[Any], Any]:
        parts = [pd.DataFrame(**split) for split in splits]
        return parts, pd.concat(parts, ignore_index=True)


class Tuned(Predictor):
    """As somebody would write it who had profiled it, for callers who all name the same columns in the same order."""

    def deserialize(self, data: bytes) -> Any:
        return orjson.loads(data)

    def serialize(self, data: Any) -> bytes:
        return orjson.dumps(data)

    def frames(self, splits: list[Any]) -> tuple[list[Any], Any]:
        parts = [split["data"] for split in splits]
        return parts, pd.DataFrame([row for part in parts for row in part], columns=splits[0]["columns"])


if __name__ == "__main__":
    server = Server()
    most, wait = int(os.environ["MAX_BATCH"]), int(os.environ["WAIT_MS"])
    server.append_worker(Tuned if "ORJSON" in os.environ else Predictor, num=1, max_batch_size=most, max_wait_time=wait)
    server.run()
