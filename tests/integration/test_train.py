"""Training into a real MLflow store: what a run leaves behind, how it ends, and models that load elsewhere."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run

from tests.train.stores import MLFLOWS_OWN_WARNINGS, empty_store, pyfunc
from train.data import Dataset, load
from train.loop import fit, steps_per_epoch
from train.record.journal import Recorded, record, running
from train.record.released import requirements
from train.record.store import open_experiment
from train.settings import DatasetName, Hyperparameters, choose

HERE = Path(__file__).resolve().parents[2]
pytestmark = MLFLOWS_OWN_WARNINGS
QUICK = {DatasetName.DIGITS: 2, DatasetName.TUMOURS: 4}


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with empty_store(tmp_path_factory.mktemp("store")) as folder:
        yield folder


@dataclass(frozen=True, slots=True)
class Done:
    """One recorded training and all that it left."""

    dataset: Dataset
    hyperparameters: Hyperparameters
    recorded: Recorded
    run: Run
    model: LoggedModel
    folder: Path


@pytest.fixture(scope="module", params=list(DatasetName))
def done(request: pytest.FixtureRequest) -> Done:
    return _train(request.param)


@pytest.fixture(scope="module")
def digits() -> Done:
    return _train(DatasetName.DIGITS)


@pytest.fixture(scope="module")
def tumours() -> Done:
    return _train(DatasetName.TUMOURS)


_trained: dict[DatasetName, Done] = {}


def _train(name: DatasetName) -> Done:
    if name not in _trained:
        dataset, hyperparameters = load(name), choose(name, epochs=QUICK[name])
        with running(open_experiment(name.value), None, {"kind": "run"}) as run_id:
            recorded = record(run_id, dataset, hyperparameters, fit(dataset, hyperparameters))
        client = MlflowClient()
        model = client.get_logged_model(recorded.model_uri.removeprefix("models:/"))
        folder = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/model"))
        _trained[name] = Done(dataset, hyperparameters, recorded, client.get_run(run_id), model, folder)
    return _trained[name]


def test_a_run_holds_every_hyperparameter(done: Done) -> None:
    assert done.run.info.status == "FINISHED"
    assert done.run.data.params == {name: str(value) for name, value in done.hyperparameters}
    assert done.model.params == done.run.data.params


def test_loss_is_there_for_every_step_and_validation_for_every_epoch(done: Done) -> None:
    history = MlflowClient().get_metric_history
    each = steps_per_epoch(done.dataset, done.hyperparameters)
    steps, epochs = each * done.hyperparameters.epochs, done.hyperparameters.epochs
    assert [metric.step for metric in history(done.run.info.run_id, "loss")] == list(range(1, steps + 1))
    for name in ("train_loss", "val_loss", "val_accuracy", "val_f1"):
        marks = [metric.step for metric in history(done.run.info.run_id, name)]
        assert marks == [each * epoch for epoch in range(1, epochs + 1)]


def test_the_models_metrics_are_those_of_the_run_and_name_the_rows_they_were_measured_on(done: Done) -> None:
    linked = {metric.key: metric for metric in done.model.metrics}
    for name, value in done.recorded.metrics.items():
        split = done.dataset.validation if name.startswith("val_") else done.dataset.test
        assert linked[name].value == done.run.data.metrics[name] == value
        assert linked[name].dataset_digest == split.digest


def test_a_run_names_its_data_by_digest(done: Done) -> None:
    inputs = {dataset.tags[0].value: dataset.dataset for dataset in done.run.inputs.dataset_inputs}
    for context in ("train", "validation", "test"):
        assert inputs[context].name == done.dataset.name
        assert inputs[context].digest == getattr(done.dataset, context).digest
    assert done.run.data.tags["dataset_digest"] == done.dataset.digest


def test_the_confusion_matrix_is_a_figure_of_the_run(done: Done) -> None:
    path = Path(mlflow.artifacts.download_artifacts(f"runs:/{done.run.info.run_id}/confusion_matrix.png"))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_model_is_found_from_the_run(done: Done) -> None:
    assert [output.model_id for output in done.run.outputs.model_outputs] == [done.model.model_id]
    assert done.model.status == "READY"


def test_the_recipe_is_exactly_what_the_model_needs(done: Done) -> None:
    lines = (done.folder / "requirements.txt").read_text().split()
    assert lines == requirements()
    assert [line.partition("==")[0] for line in lines] == ["mlflow-skinny", "torch", "numpy", "pandas"]
    assert not any("+" in line for line in lines)
    assert yaml.safe_load((done.folder / "conda.yaml").read_text())["dependencies"][-1] == {"pip": lines}
    python = yaml.safe_load((done.folder / "python_env.yaml").read_text())
    assert python["python"] == ".".join(map(str, sys.version_info[:3]))
    assert python["dependencies"] == ["-r requirements.txt"]


def test_nothing_in_the_model_tells_where_it_was_made(done: Done, store: Path) -> None:
    for path in (path for path in done.folder.rglob("*") if path.is_file()):
        held = path.read_bytes()
        for place in (str(store), str(HERE), gettempdir(), sys.prefix):
            assert place.encode() not in held, path


def test_the_model_is_small_enough_for_git(digits: Done, tumours: Done) -> None:
    for done, most in ((digits, 500_000), (tumours, 200_000)):
        assert sum(path.stat().st_size for path in done.folder.rglob("*") if path.is_file()) < most


def test_digits_answer_row_for_row_alone_and_in_a_batch(digits: Done) -> None:
    model = pyfunc.load_model(str(digits.folder))
    rows = digits.dataset.test.inputs
    scores = model.predict(rows)
    assert scores.shape == (len(rows), 10)
    assert scores.dtype == np.float32
    alone = np.concatenate([model.predict(rows[index : index + 1]) for index in range(16)])
    np.testing.assert_allclose(alone, scores[:16], rtol=1e-5, atol=1e-6)
    accuracy = np.mean(scores.argmax(1) == digits.dataset.test.labels)
    assert accuracy == pytest.approx(digits.recorded.metrics["test_accuracy"])


def test_tumours_answer_row_for_row_alone_and_in_a_batch(tumours: Done) -> None:
    model, rows = pyfunc.load_model(str(tumours.folder)), _frame(tumours)
    answers = model.predict(rows)
    assert list(answers.columns) == ["label", "probability"]
    alone = pd.concat([model.predict(rows[index : index + 1]) for index in range(16)])
    np.testing.assert_allclose(alone["probability"], answers["probability"][:16], rtol=1e-5, atol=1e-6)
    actual = [tumours.dataset.classes[label] for label in tumours.dataset.test.labels]
    assert np.mean(answers["label"] == actual) == pytest.approx(tumours.recorded.metrics["test_accuracy"])


def test_the_threshold_moves_the_label_and_not_the_probability(tumours: Done) -> None:
    model, rows = pyfunc.load_model(str(tumours.folder)), _frame(tumours)
    usual, all_of_them = model.predict(rows), model.predict(rows, params={"threshold": 0.0})
    assert set(usual["label"]) == {"malignant", "benign"}
    assert set(all_of_them["label"]) == {"malignant"}
    assert usual["probability"].equals(all_of_them["probability"])


def test_columns_may_come_in_any_order(tumours: Done) -> None:
    model, rows = pyfunc.load_model(str(tumours.folder)), _frame(tumours)
    assert model.predict(rows[rows.columns[::-1]]).equals(model.predict(rows))


def test_a_missing_measurement_is_refused_by_name(tumours: Done) -> None:
    model, rows = pyfunc.load_model(str(tumours.folder)), _frame(tumours)
    rows.loc[3, "mean_area"] = np.nan
    with pytest.raises(ValueError, match="mean_area of row 3"):
        model.predict(rows)


def test_a_threshold_that_is_no_probability_is_refused(tumours: Done) -> None:
    model = pyfunc.load_model(str(tumours.folder))
    with pytest.raises(ValueError, match=r"between 0 and 1, and is 1\.5"):
        model.predict(_frame(tumours), params={"threshold": 1.5})


def _frame(done: Done) -> pd.DataFrame:
    return pd.DataFrame(done.dataset.test.inputs, columns=list(done.dataset.columns))
