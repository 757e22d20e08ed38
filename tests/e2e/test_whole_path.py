"""The whole path as a person walks it: train, promote, serve, and train and promote again beside the server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from serve.worker.environment import uv
from tests.e2e.conftest import promote
from tests.e2e.server import Server
from tests.repositories import new_repository

BIN = Path(sys.executable).parent


def command(repo: Path, state: Path, *arguments: str) -> str:
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{repo / 'mlflow.db'}", "PINION_ARTIFACT__STATE": str(state)}
    done = subprocess.run(
        [BIN / arguments[0], *arguments[1:]], cwd=repo, capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "repo")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Empty: every environment is built here."""
    return tmp_path / "state"


def test_what_is_trained_and_promoted_is_served_without_a_restart(repo: Path, state: Path) -> None:
    command(repo, state, "train", "run", "digits", "--epochs", "1")
    command(repo, state, "promote", "--best", "val_accuracy", "--experiment", "digits")
    images = (load_digits().images[:4]).astype("float32").tolist()
    with Server(repo, state).ready() as server:
        first = server.predict({"inputs": images})
        assert [len(row) for row in first.json()["predictions"]] == [10] * 4
        command(repo, state, "train", "run", "digits", "--epochs", "8")
        revision = command(repo, state, "promote", "--best", "val_accuracy", "--experiment", "digits").strip()
        server.wait("release live", count=2)
        second = server.predict({"inputs": images})
        assert second.headers["x-model-revision"] == revision
        assert second.headers["x-model-run"] != first.headers["x-model-run"]
        scores = second.json()["predictions"]
        assert [row.index(max(row)) for row in scores] == load_digits().target[:4].tolist()

        command(repo, state, "train", "run", "tumours", "--epochs", "3")
        command(repo, state, "promote", "--best", "val_accuracy", "--experiment", "tumours")
        server.wait("release live", count=3)
        assert server.model("digits")["revision"] == revision
        assert [one["event"] for one in server.events].count("warm") == 3
        assert server.predict({"inputs": images}).status_code == 404
        columns = [column["name"] for column in server.model("tumours")["signature"]["inputs"]]
        body = {"dataframe_split": {"columns": columns, "data": load_breast_cancer().data[:3].tolist()}}
        answer = server.predict(body, "/models/tumours/predict").json()["predictions"]
        assert {row["label"] for row in answer} <= {"malignant", "benign"}
        strict = {**body, "params": {"threshold": 1.0}}
        labels = [row["label"] for row in server.predict(strict, "/models/tumours/predict").json()["predictions"]]
        assert len(set(labels)) == 1


LOG_A_PIPELINE = """
import sys, mlflow, numpy
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X, y = load_diabetes(as_frame=True, return_X_y=True)
pipeline = make_pipeline(StandardScaler(), Ridge()).fit(X, y)
mlflow.sklearn.save_model(
    pipeline, sys.argv[1], signature=infer_signature(X, pipeline.predict(X)), input_example=X.head(5),
    pip_requirements=["mlflow-skinny==2.22.1", "scikit-learn==1.4.2", "numpy==1.26.4", "pandas==2.2.3"],
)
print(pipeline.predict(X.head(1))[0])
"""


def test_a_pipeline_logged_elsewhere_with_other_versions_is_promoted_and_served(
    repo: Path, state: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    packages = ("mlflow-skinny==2.22.1", "scikit-learn==1.4.2", "numpy==1.26.4", "pandas==2.2.3")
    asyncio.run(uv(("venv", "--quiet", "--no-project", "--python", "3.10", str(elsewhere)), 300))
    asyncio.run(uv(("pip", "install", "--quiet", "--python", str(elsewhere / "bin" / "python"), *packages), 300))
    logged = subprocess.run(
        [elsewhere / "bin" / "python", "-c", LOG_A_PIPELINE, str(tmp_path / "diabetes")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert logged.returncode == 0, logged.stderr
    promote(repo, state, tmp_path / "diabetes", "diabetes")
    with Server(repo, state).ready() as server:
        body = server.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
        example = body["application/json"]["examples"]["diabetes"]["value"]
        assert server.predict(example).json()["predictions"][0] == pytest.approx(float(logged.stdout.splitlines()[-1]))
        worker = server.model("diabetes")["workers"][0]
        assert (worker["python"][:5], worker["numpy"]) == ("3.10.", "1.26.4")
