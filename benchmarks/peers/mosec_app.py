"""An MLflow model behind mosec, as its documentation would have it written: one worker, batching on.

`MODEL=… MAX_BATCH=… WAIT_MS=… python mosec_app.py --address … --port …`. With ORJSON=1, JSON is read and written with
orjson in place of mosec's default, as a user might who had profiled it.
"""

import os
from typing import Any

import mlflow.pyfunc
import numpy as np
import orjson
import pandas as pd
from mosec import Server, Worker


class Predictor(Worker):
    """One MLflow model."""

    def __init__(self) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])

    def forward(self, data: list[Any]) -> list[Any]:
        if "inputs" in data[0]:
            parts = [np.asarray(one["inputs"], dtype=np.float32) for one in data]
            batch: Any = np.concatenate(parts)
        else:
            parts = [one["dataframe_split"]["data"] for one in data]
            rows = [row for part in parts for row in part]
            batch = pd.DataFrame(rows, columns=data[0]["dataframe_split"]["columns"])
        found = np.asarray(self.model.predict(batch))
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return [{"predictions": piece.tolist()} for piece in np.split(found, ends)]


class Tuned(Predictor):
    """The same with orjson."""

    def deserialize(self, data: bytes) -> Any:
        return orjson.loads(data)

    def serialize(self, data: Any) -> bytes:
        return orjson.dumps(data)


if __name__ == "__main__":
    server = Server()
    most, wait = int(os.environ["MAX_BATCH"]), int(os.environ["WAIT_MS"])
    server.append_worker(Tuned if "ORJSON" in os.environ else Predictor, num=1, max_batch_size=most, max_wait_time=wait)
    server.run()
