"""The model `tumours` as it is served (MLflow's "models from code"). MLflow copies this file into the model.

In: a frame of the named measurements, and the param `threshold`. Out: a frame with, row for row, `label`
("malignant" where the probability reaches the threshold, else "benign") and `probability` (of malignant).
Whatever it needs lies in the model's folder: the network with its scaling and column names is one archive
of torch's. Nothing of `train` is imported, here or when it is loaded.
"""

import json
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.pyfunc.model import PythonModel, PythonModelContext

MALIGNANT, BENIGN = "malignant", "benign"


class TumoursModel(PythonModel):
    """Owns the loaded network and the order of its columns; both never change after loading."""

    def load_context(self, context: PythonModelContext) -> None:
        extra_files = {"columns.json": ""}
        program = torch.export.load(context.artifacts["network"], extra_files=extra_files)
        self.columns: list[str] = json.loads(extra_files["columns.json"])
        self.network = program.module()

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Raises ValueError for a threshold outside [0, 1] and for a measurement that is no number."""
        threshold = float((params or {}).get("threshold", 0.5))
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must lie between 0 and 1, and is {threshold}")
        measurements = np.array(model_input[self.columns], dtype=np.float64)  # a copy torch may write to
        self._check(measurements)
        with torch.inference_mode():
            scores = self.network(torch.from_numpy(measurements)).numpy()
        probability = scores[:, 0].astype(np.float64)
        label = np.where(probability >= threshold, MALIGNANT, BENIGN)
        return pd.DataFrame({"label": label, "probability": probability}, index=model_input.index)

    def _check(self, measurements: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        """A missing value would silently come out as benign."""
        rows, columns = np.nonzero(~np.isfinite(measurements))
        if len(rows):
            name = self.columns[columns[0]]
            raise ValueError(f"{name} of row {rows[0]} is missing or not finite")


mlflow.models.set_model(TumoursModel())
