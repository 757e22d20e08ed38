"""The models that are served, logged by MLflow as a user would log them, with requests and the answers they must get.

T is a torch MLP with a tensor signature, F a scikit-learn pipeline on 30 named columns, C a small convolutional net
whose forward pass is all of a request's cost.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import Schema, TensorSpec
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = np.ndarray[Any, Any]
WIDTH, CLASSES, SIDE = 64, 10, 32
_DISTINCT = 256  # different requests; each has an answer of its own
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a model must not need this file where it is served
_REQUIREMENTS = ["mlflow==3.17.2", "torch==2.13.0", "scikit-learn", "pandas", "numpy"]


@dataclass(frozen=True)
class Subject:
    """A logged model in `folder`. `rows[i]` must be answered with `answers[i]`, within float32's rounding."""

    name: str
    folder: Path
    rows: Array
    answers: Array
    columns: tuple[str, ...] = ()

    def document(self, rows: Array) -> Mapping[str, Any]:
        """The rows as a body of MLflow's JSON."""
        if self.columns:
            return {"dataframe_split": {"columns": list(self.columns), "data": rows.tolist()}}
        return {"inputs": rows.tolist()}

    def body(self, rows: Array) -> bytes:
        return json.dumps(self.document(rows), separators=(",", ":")).encode()


class Residual(torch.nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(channels, channels, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(images + self.body(images))


def mlp(seed: int) -> torch.nn.Module:
    """64 → 256 → 256 → 10."""
    torch.manual_seed(seed)
    relu, linear = torch.nn.ReLU, torch.nn.Linear
    return torch.nn.Sequential(linear(WIDTH, 256), relu(), linear(256, 256), relu(), linear(256, CLASSES)).eval()


def resnet() -> torch.nn.Module:
    """3 × 32 × 32 images in, 10 numbers out."""
    torch.manual_seed(7)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3, padding=1),
        torch.nn.ReLU(),
        *(Residual(32) for _ in range(8)),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(32, CLASSES),
    ).eval()


def make_mlp(folder: Path, seed: int = 7) -> Subject:
    """Model T, or another like it."""
    rows = np.random.default_rng(7).standard_normal((_DISTINCT, WIDTH)).astype(np.float32).round(4)
    return _torch("t", mlp(seed), rows, folder)


def make_resnet(folder: Path) -> Subject:
    """Model C."""
    rows = np.random.default_rng(7).standard_normal((_DISTINCT, 3, SIDE, SIDE)).astype(np.float32).round(2)
    return _torch("c", resnet(), rows, folder)


def make_pipeline_of_columns(folder: Path) -> Subject:
    """Model F."""
    data = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = data.data
    model = make_pipeline(StandardScaler(), PCA(20), LogisticRegression()).fit(frame, data.target)
    rows = frame.iloc[:_DISTINCT]
    answers = model.predict(rows)
    _fresh(folder)
    signature = infer_signature(frame, model.predict(frame))
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=signature,
        pip_requirements=_REQUIREMENTS,
        serialization_format="cloudpickle",
        input_example=rows.head(4),
    )
    return Subject("f", folder, rows.to_numpy(), np.asarray(answers), tuple(map(str, frame.columns)))


def _torch(name: str, model: torch.nn.Module, rows: Array, folder: Path) -> Subject:
    with torch.inference_mode():
        answers = model(torch.from_numpy(rows)).numpy()
    _fresh(folder)
    inputs = Schema([TensorSpec(np.dtype(np.float32), (-1, *rows.shape[1:]))])
    outputs = Schema([TensorSpec(np.dtype(np.float32), (-1, CLASSES))])
    mlflow.pytorch.save_model(
        model,
        folder,
        signature=ModelSignature(inputs, outputs),
        pip_requirements=_REQUIREMENTS,
        serialization_format="pickle",
        input_example=rows[:4],
    )
    return Subject(name, folder, rows, answers)


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
