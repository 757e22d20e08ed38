"""The model as it is released: one self-contained MLflow model folder, logged to a run.

In: a fitted network and its dataset. Out: a logged model whose folder loads wherever its recipe (conda.yaml,
requirements.txt, python_env.yaml) is installed: graphs, not pickles; nothing of this package; no address, no
path of this machine. mlflow-skinny is enough, as MLflow documents for pyfunc with numpy and pandas.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow.pyfunc
import mlflow.pytorch
import numpy as np
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

from train.data import Dataset
from train.loop import Fitted
from train.model import export, forget_where
from train.settings import DatasetName

MODEL_NAME = "model"
TUMOURS_CODE = Path(__file__).with_name("tumours_model.py")
EXAMPLE_ROWS = 16
THRESHOLD = 0.5


def requirements() -> list[str]:
    """What every model here needs, pinned to what is installed, without local labels such as +cpu."""
    packages = ("mlflow-skinny", "torch", "numpy", "pandas")
    return [f"{package}=={version(package).partition('+')[0]}" for package in packages]


def log_model(dataset: Dataset, fitted: Fitted, run_id: str) -> str:
    """Log the model to the run and return its id, m-…; at `fitted.step`, so MLflow links it there."""
    with TemporaryDirectory() as scratch:
        flavor, options = _PARTS[dataset.name](dataset, fitted, Path(scratch))
        info = Model.log(
            artifact_path=None,
            name=MODEL_NAME,
            flavor=_Folder(flavor),
            flavor_name=flavor.__name__.removeprefix("mlflow."),
            run_id=run_id,
            step=fitted.step,
            metadata={"dataset": dataset.name.value, "classes": list(dataset.classes)},
            pip_requirements=requirements(),
            **options,
        )
    return str(info.model_id)


def signature(dataset: Dataset) -> ModelSignature:
    """What the model takes and gives."""
    if dataset.name is DatasetName.DIGITS:
        scores = TensorSpec(np.dtype("float32"), (-1, len(dataset.classes)))
        return ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 8, 8))]), Schema([scores]))
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.double, column) for column in dataset.columns]),
        outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(DataType.double, "probability")]),
        params=ParamSchema([ParamSpec("threshold", DataType.double, THRESHOLD)]),
    )


_Parts = tuple[Any, dict[str, Any]]  # an MLflow flavor module and what its save_model is given


def _digits(dataset: Dataset, fitted: Fitted, scratch: Path) -> _Parts:
    options = {
        "pytorch_model": fitted.network,
        "serialization_format": "pt2",
        "signature": signature(dataset),
        "input_example": dataset.test.inputs[:EXAMPLE_ROWS],
    }
    return mlflow.pytorch, options


def _tumours(dataset: Dataset, fitted: Fitted, scratch: Path) -> _Parts:
    rows = dataset.test.inputs[:EXAMPLE_ROWS]
    archive = scratch / "network.pt2"
    export(fitted.network, rows, dataset.columns, archive)
    options = {
        "python_model": str(TUMOURS_CODE),
        "artifacts": {"network": str(archive)},
        "signature": signature(dataset),
        "input_example": (pd.DataFrame(rows, columns=list(dataset.columns)), {"threshold": THRESHOLD}),
    }
    return mlflow.pyfunc, options


_PARTS: dict[DatasetName, Callable[[Dataset, Fitted, Path], _Parts]] = {
    DatasetName.DIGITS: _digits,
    DatasetName.TUMOURS: _tumours,
}


@dataclass(frozen=True, slots=True)
class _Folder:
    """An MLflow flavor whose folder is made to travel. `Model.log` asks a flavor for nothing but this."""

    flavor: Any

    def save_model(self, path: str, mlflow_model: Model, **options: Any) -> None:
        self.flavor.save_model(path=path, mlflow_model=mlflow_model, **options)
        if self.flavor is mlflow.pytorch:
            forget_where(Path(path, "data", "model.pt2"))
            _on_cpu(mlflow_model)
        _without_paths(mlflow_model)
        _pin_python(Path(path, "python_env.yaml"))
        mlflow_model.model_size_bytes = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
        mlflow_model.save(str(Path(path, "MLmodel")))


def _on_cpu(model: Model) -> None:
    """A pt2 graph stays where it was traced; left to itself MLflow refuses it on a machine with a GPU."""
    model.flavors["python_function"]["config"] = {"device": "cpu"}


def _without_paths(model: Model) -> None:
    """Where the store and the scratch folder lay on this machine is nobody's business later."""
    model.artifact_path = MODEL_NAME
    pyfunc = model.flavors["python_function"]
    for artifact in pyfunc.get("artifacts", {}).values():
        artifact["uri"] = artifact["path"]
    if "model_code_path" in pyfunc:
        pyfunc["model_code_path"] = Path(pyfunc["model_code_path"]).name


def _pin_python(path: Path) -> None:
    """Drop pip, setuptools and wheel: nothing here is built, and MLflow leaves some of them unpinned."""
    python = platform.python_version()
    path.write_text(f"python: {python}\nbuild_dependencies: []\ndependencies:\n- -r requirements.txt\n")
