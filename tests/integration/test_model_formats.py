"""G-17: models as MLflow itself logs them, in the flavors and formats of each; which of them are pickles."""

import warnings
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from serve.artifact.formats import pickles, safer
from serve.artifact.snapshot import mlmodel
from tests.models import ORACLE

ROOT = Path(__file__).parents[2]
X, Y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])

FROM_CODE = """
import mlflow

class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float]) -> list[float]:
        return [2 * value for value in model_input]

mlflow.models.set_model(Doubled())
"""


class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context: object, model_input: list[float]) -> list[float]:
        return [2 * value for value in model_input]


def sklearn(serialization: str) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        trusted = {"skops_trusted_types": []} if serialization == "skops" else {}
        mlflow.sklearn.save_model(
            LogisticRegression().fit(X, Y), path, serialization_format=serialization, pip_requirements=[], **trusted
        )

    return save


def pytorch(serialization: str) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        example = X.astype(np.float32)
        mlflow.pytorch.save_model(
            torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.ReLU()).eval(),
            path,
            serialization_format=serialization,
            input_example=example if serialization == "pt2" else None,
            pip_requirements=[],
        )

    return save


def cloudpickled(path: Path) -> None:
    mlflow.pyfunc.save_model(path, python_model=Doubled(), pip_requirements=[])


def from_code(path: Path) -> None:
    code = path.with_suffix(".py")
    code.write_text(FROM_CODE)
    mlflow.pyfunc.save_model(path, python_model=str(code), pip_requirements=[])


FLAVORS: dict[str, tuple[Callable[[Path], None], tuple[str, ...], str]] = {
    "sklearn, pickle": (sklearn("pickle"), ("model.pkl",), "serialization_format='skops'"),
    "sklearn, cloudpickle": (sklearn("cloudpickle"), ("model.pkl",), "serialization_format='skops'"),
    "sklearn, skops": (sklearn("skops"), (), ""),
    "pytorch, pickle": (pytorch("pickle"), ("data/model.pth",), "'pt2'"),
    "pytorch, pt2": (pytorch("pt2"), (), ""),
    "pyfunc, cloudpickle": (cloudpickled, ("python_model.pkl",), "models from code"),
    "pyfunc, from code": (from_code, (), ""),
}


@pytest.mark.filterwarnings("ignore")  # those of MLflow, torch and scikit-learn
@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_model_is_told_by_its_own_files(tmp_path: Path, flavor: str) -> None:
    save, found, told = FLAVORS[flavor]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(tmp_path / "model")
    assert pickles(tmp_path / "model") == found
    assert told in safer(mlmodel(tmp_path / "model"))


def test_code_that_is_plain_python_is_no_pickle() -> None:
    assert pickles(ORACLE) == ()
