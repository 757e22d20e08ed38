"""How runs and sweeps end in a real MLflow store, and stores that cannot be used."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.train.stores import MLFLOWS_OWN_WARNINGS, empty_store
from train.data import Dataset, load
from train.errors import Diverged, NoTrialFinished, StoreFailed
from train.loop import Event, Step, fit
from train.record.journal import record, running
from train.record.store import open_experiment
from train.settings import DEFAULTS, DatasetName, Hyperparameters, Objective, choose
from train.sweep import Plan, Swept, sweep

HOPELESS = {"learning_rate": 10.0, "weight_decay": 1e10, "epochs": 5}  # diverges in the third step
pytestmark = MLFLOWS_OWN_WARNINGS


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with empty_store(tmp_path_factory.mktemp("store")) as folder:
        yield folder


@pytest.fixture(scope="module")
def tumours() -> Dataset:
    return load(DatasetName.TUMOURS)


def _record(dataset: Dataset, hyperparameters: Hyperparameters, events: Iterator[Event]) -> None:
    with running(open_experiment("endings"), None, {}) as run_id:
        record(run_id, dataset, hyperparameters, events)


def _latest(experiment: str) -> Run:
    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return client.search_runs([found.experiment_id], order_by=["attributes.start_time DESC"])[0]


def _stopped(events: Iterator[Event], after: int, error: type[BaseException]) -> Iterator[Event]:
    yield from islice(events, after)
    raise error


def test_an_interrupted_run_is_killed_and_keeps_what_it_measured(tumours: Dataset) -> None:
    hyperparameters = choose(tumours.name)
    with pytest.raises(KeyboardInterrupt):
        _record(tumours, hyperparameters, _stopped(fit(tumours, hyperparameters), 20, KeyboardInterrupt))
    run = _latest("endings")
    assert run.info.status == "KILLED"
    assert len(MlflowClient().get_metric_history(run.info.run_id, "loss")) == 19  # and one epoch
    assert mlflow.active_run() is None


@pytest.mark.parametrize("error", [ValueError, MemoryError, SystemExit])
def test_a_run_that_breaks_is_failed(tumours: Dataset, error: type[BaseException]) -> None:
    hyperparameters = choose(tumours.name)
    with pytest.raises(error):
        _record(tumours, hyperparameters, _stopped(fit(tumours, hyperparameters), 3, error))
    assert _latest("endings").info.status == "FAILED"


def test_a_diverged_run_is_failed_and_has_no_model(tumours: Dataset) -> None:
    hyperparameters = choose(tumours.name, **HOPELESS)
    with pytest.raises(Diverged):
        _record(tumours, hyperparameters, fit(tumours, hyperparameters))
    run = _latest("endings")
    assert run.info.status == "FAILED"
    assert run.outputs is None or run.outputs.model_outputs == []


def test_more_steps_in_an_epoch_than_a_batch_of_metrics_holds_are_all_written(tumours: Dataset) -> None:
    steps: Iterator[Event] = (Step(step, 1, 1 / step) for step in range(1, 2502))
    with pytest.raises(KeyboardInterrupt):
        _record(tumours, choose(tumours.name), _stopped(steps, 2501, KeyboardInterrupt))
    history = MlflowClient().get_metric_history(_latest("endings").info.run_id, "loss")
    assert [metric.step for metric in history] == list(range(1, 2502))


def _sweep(dataset: Dataset, experiment: str, trials: int, last: int | None = None, **fixed: float) -> Swept:
    """A sweep of short trials; the trial numbered `last` is interrupted."""

    def watch(number: int, trial: Hyperparameters, events: Iterator[Event]) -> Iterator[Event]:
        return _stopped(events, 3, KeyboardInterrupt) if number == last else events

    plan = Plan(open_experiment(experiment), dataset, trials, Objective.ACCURACY, {"epochs": 1, **fixed}, seed=0)
    return sweep(plan, watch)


def test_a_sweep_is_one_parent_and_one_child_a_trial(tumours: Dataset) -> None:
    swept = _sweep(tumours, "sweep", trials=3)
    client = MlflowClient()
    parent = client.get_run(swept.run_id)
    nested = f"tags.`mlflow.parentRunId` = '{swept.run_id}'"
    children = client.search_runs([parent.info.experiment_id], nested, order_by=["attributes.start_time"])
    assert [child.info.status for child in (parent, *children)] == ["FINISHED"] * 4
    assert all(child.outputs.model_outputs for child in children)
    best = max(children, key=lambda child: child.data.metrics["val_accuracy"])
    assert parent.data.tags["best_run_id"] == best.info.run_id == swept.best.recorded.run_id
    assert parent.data.tags["best_model_uri"] == swept.best.recorded.model_uri
    assert parent.data.params["best_hidden"] == best.data.params["hidden"]
    assert parent.data.metrics == {"best_val_accuracy": best.data.metrics["val_accuracy"]}
    defaults = DEFAULTS[DatasetName.TUMOURS]
    assert children[0].data.params["hidden"] == str(defaults.hidden)


def test_a_sweep_holds_fixed_what_is_given(tumours: Dataset) -> None:
    swept = _sweep(tumours, "fixed", trials=2, hidden=7, learning_rate=0.02)
    runs = MlflowClient().search_runs([_latest("fixed").info.experiment_id], "tags.kind = 'trial'")
    assert {(run.data.params["hidden"], run.data.params["learning_rate"]) for run in runs} == {("7", "0.02")}
    assert swept.finished == 2


def test_a_sweep_repeats_itself_by_its_seed(tumours: Dataset) -> None:
    first, second = (_sweep(tumours, "repeat", trials=2) for _ in range(2))
    assert first.best.hyperparameters == second.best.hyperparameters
    assert first.best.recorded.metrics == second.best.recorded.metrics


def test_an_interrupted_sweep_still_tells_its_best(tumours: Dataset) -> None:
    with pytest.raises(KeyboardInterrupt):
        _sweep(tumours, "interrupted", trials=3, last=1)
    runs = MlflowClient().search_runs([_latest("interrupted").info.experiment_id])
    ended = {run.info.run_name: run for run in runs}
    assert {name: run.info.status for name, run in ended.items()} == {
        "sweep-tumours": "KILLED",
        "trial-000": "FINISHED",
        "trial-001": "KILLED",
    }
    assert ended["sweep-tumours"].data.tags["best_run_id"] == ended["trial-000"].info.run_id


def test_a_sweep_in_which_every_trial_diverges_has_failed(tumours: Dataset) -> None:
    with pytest.raises(NoTrialFinished, match="none of the 2 trials"):
        _sweep(tumours, "hopeless", trials=2, **HOPELESS)
    runs = MlflowClient().search_runs([_latest("hopeless").info.experiment_id])
    assert [run.info.status for run in runs] == ["FAILED"] * 3


def _refusal(uri: str, monkeypatch: pytest.MonkeyPatch, name: str = "any") -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(StoreFailed) as refused:
        open_experiment(name)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_server_that_does_not_answer_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    refusal = _refusal(f"http://who:secret@127.0.0.1:{port}", monkeypatch)
    assert refusal == f"the MLflow store http://…@127.0.0.1:{port} failed: it does not answer."


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as one" * 10)
    assert "file is not a database" in _refusal(f"sqlite:///{tmp_path}/notes.txt", monkeypatch)


def test_a_store_of_an_unknown_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "unsupported URI 'carrier-pigeon://x'" in _refusal("carrier-pigeon://x", monkeypatch)


def test_a_deleted_experiment_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    MlflowClient(uri).delete_experiment(open_experiment("old").experiment_id)
    assert "experiment old is deleted" in _refusal(uri, monkeypatch, name="old")


def test_two_processes_may_make_one_store_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    code = "from train.record.store import open_experiment; print(open_experiment('both').experiment_id)"
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE) for _ in range(2)]
    assert {process.communicate()[0] for process in both} == {"1\n"}
    assert [process.returncode for process in both] == [0, 0]
