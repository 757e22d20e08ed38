"""The command as a person runs it, and its models in an interpreter that has their recipe and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ImportError(f"{{name}} is not in the recipe")
sys.meta_path.insert(0, Refuse())
import mlflow
model = mlflow.pyfunc.load_model({folder!r})
answers = model.predict(model.input_example)
assert len(answers) == 16, answers
"""
OURS = {"train", "serve", "promote"}


@pytest.fixture(scope="module", params=["digits", "tumours"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder where `train run` has run with the default store, and what it said."""
    folder = tmp_path_factory.mktemp(request.param)
    scrubbed = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    command = [sys.executable, "-m", "train", "run", request.param, "--epochs", "1"]
    done = subprocess.run(command, cwd=folder, env=scrubbed, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return folder, dict(line.split() for line in done.stdout.splitlines())


def _model(ran: tuple[Path, dict[str, str]]) -> Path:
    folder, said = ran
    [model] = folder.glob(f"mlruns/*/models/{said['model_uri'].removeprefix('models:/')}/artifacts")
    return model


def _load(python: str, model: Path, elsewhere: Path, refused: set[str]) -> None:
    code = LOAD.format(refused=refused, folder=str(model))
    done = subprocess.run([python, "-I", "-c", code], cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_says_run_model_and_metrics_and_nothing_else(ran: tuple[Path, dict[str, str]]) -> None:
    folder, said = ran
    metrics = [f"{split}_{name}" for split in ("val", "test") for name in ("loss", "accuracy", "f1")]
    assert list(said) == ["run_id", "experiment", "model_uri", *metrics]
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlruns"}


def test_the_model_loads_where_this_package_is_not_installed(ran: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    _load(sys.executable, _model(ran), tmp_path, OURS)


@pytest.mark.e2e
def test_the_model_loads_in_an_environment_built_from_its_recipe(
    ran: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    uv, environment, model = shutil.which("uv"), tmp_path / "environment", _model(ran)
    assert uv is not None
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = str(environment / "bin" / "python")
    install = [uv, "pip", "install", "--quiet", "--python", python, "-r", str(model / "requirements.txt")]
    subprocess.run(install, check=True)
    shutil.copytree(model, tmp_path / "copy")
    _load(python, tmp_path / "copy", tmp_path, set())
