"""The bare model in a loop, no server around it: rows a second at each batch size. `python bare.py MODEL SECONDS`."""

import json
import sys
import time
from pathlib import Path

import mlflow.pyfunc
import numpy as np

SIZES = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    predict = mlflow.pyfunc.load_model(str(folder))._predict_fn
    rows = np.load(folder.parent / f"{folder.name}.rows.npy")
    found = {}
    for size in SIZES:
        batch = np.resize(rows, (size, *rows.shape[1:]))
        predict(batch)
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            predict(batch)
            count += size
        found[size] = count / (time.perf_counter() - began)
    print(json.dumps(found))  # noqa: T201  # it is what it is for


if __name__ == "__main__":
    main()
