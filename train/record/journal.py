"""One run in the journal: the loop's events come in, an MLflow run with its model goes out.

Metrics are written in batches, once an epoch, so that a `loss` for every step costs next to nothing. Every
metric's step is the optimisation step, so that all curves share one axis. A run ends FINISHED, or KILLED
where the person interrupted it, or FAILED. MLflow's active run belongs to `running` alone.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.dataset import Dataset as MlflowDataset
from mlflow.data.numpy_dataset import from_numpy
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Metric, RunStatus
from mlflow.exceptions import MlflowException

from train.data import Dataset, Split
from train.loop import Epoch, Evaluation, Event, Fitted, Step
from train.record.figure import confusion_figure
from train.record.released import log_model
from train.record.source import source_tags
from train.record.store import Experiment, impatient, store_errors
from train.settings import Hyperparameters

MOST_METRICS = 1000  # in one batch: MLflow's own limit


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finished run: where it and its model are, and the metrics that are the model's."""

    run_id: str
    model_uri: str
    metrics: Mapping[str, float]


@contextmanager
def running(experiment: Experiment, name: str | None, tags: Mapping[str, str], nested: bool = False) -> Iterator[str]:
    """An active MLflow run, by its id; it is ended as it deserves, whatever happens inside."""
    with store_errors():
        run = mlflow.start_run(
            experiment_id=experiment.experiment_id,
            run_name=name,
            nested=nested,
            tags={**source_tags(), **tags},
            log_system_metrics=False,
        )
    try:
        yield run.info.run_id
    except BaseException as error:
        status = RunStatus.KILLED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED
        with suppress(MlflowException), impatient():  # what went wrong first is what counts
            mlflow.end_run(RunStatus.to_string(status))
        raise
    with store_errors():
        mlflow.end_run()


def record(
    run_id: str,
    dataset: Dataset,
    hyperparameters: Hyperparameters,
    events: Iterable[Event],
    now: Callable[[], float] = time.time,
) -> Recorded:
    """Write what happens into the run, and at the end its model. Raises StoreFailed, Diverged."""
    writer = _Writer(run_id, now)
    with store_errors():
        writer.begin(dataset, hyperparameters)
    last: Epoch | None = None
    try:
        for event in events:
            with store_errors():
                match event:
                    case Step():
                        writer.step(event)
                    case Epoch(epoch=epoch) if epoch == hyperparameters.epochs:
                        last = event
                    case Epoch():
                        writer.epoch(event)
                    case Fitted():
                        assert last is not None, "the loop yields its last epoch before the network"
                        return writer.finish(dataset, last, event)
    finally:
        with store_errors():
            writer.flush()
    raise AssertionError("the loop ended without a network")


class _Writer:
    """Owns the metrics that are not written yet."""

    def __init__(self, run_id: str, now: Callable[[], float]) -> None:
        self._client = MlflowClient()
        self._run_id, self._now = run_id, now
        self._waiting: list[Metric] = []

    def begin(self, dataset: Dataset, hyperparameters: Hyperparameters) -> None:
        mlflow.log_params(hyperparameters.model_dump())
        mlflow.set_tags({"dataset": dataset.name.value, "dataset_digest": dataset.digest})
        for context in ("train", "validation", "test"):
            mlflow.log_input(_input(dataset, getattr(dataset, context)), context=context)

    def step(self, event: Step) -> None:
        self._note(event.step, {"loss": event.loss})
        if len(self._waiting) >= MOST_METRICS:
            self.flush()

    def epoch(self, event: Epoch) -> None:
        self._note(event.step, {"train_loss": event.train_loss, **_named("val", event.validation)})
        self.flush()

    def finish(self, dataset: Dataset, last: Epoch, fitted: Fitted) -> Recorded:
        """The last epoch's metrics and the test's are the model's own: they are written with its id."""
        self.flush()
        figure = confusion_figure(fitted.test, dataset.classes, f"{dataset.name}, test rows")
        self._client.log_figure(self._run_id, figure, "confusion_matrix.png")
        model_id = log_model(dataset, fitted, self._run_id)
        validation, test = _named("val", last.validation), _named("test", fitted.test)
        self._note(last.step, {"train_loss": last.train_loss}, model_id, dataset, dataset.train)
        self._note(last.step, validation, model_id, dataset, dataset.validation)
        self._note(last.step, test, model_id, dataset, dataset.test)
        self.flush()
        return Recorded(self._run_id, f"models:/{model_id}", {**validation, **test})

    def flush(self) -> None:
        """Write what waits; what could not be written is not tried again."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=waiting[start : start + MOST_METRICS])

    def _note(
        self,
        step: int,
        values: Mapping[str, float],
        model_id: str | None = None,
        dataset: Dataset | None = None,
        split: Split | None = None,
    ) -> None:
        milliseconds = int(self._now() * 1000)
        self._waiting += [
            Metric(
                name,
                value,
                milliseconds,
                step,
                model_id=model_id,
                dataset_name=dataset.name.value if dataset else None,
                dataset_digest=split.digest if split else None,
                run_id=self._run_id,
            )
            for name, value in values.items()
        ]


def begin_sweep(params: Mapping[str, object]) -> None:
    """Note in the active run, a sweep's parent, what is sought and what is held fixed."""
    with store_errors():
        mlflow.log_params(dict(params))


def note_best(trial: int, metric: str, value: float) -> None:
    """Note in the parent how good the best trial is so far. Its metrics have names of their own (`best_…`):
    a parent has no model, so it must not win when runs are compared by the metric itself."""
    with store_errors():
        mlflow.log_metric(f"best_{metric}", value, step=trial)


def conclude_sweep(best: Recorded, hyperparameters: Hyperparameters) -> None:
    """Note in the parent which trial won, and with what."""
    with store_errors():
        mlflow.log_params({f"best_{name}": value for name, value in hyperparameters.model_dump().items()})
        mlflow.set_tags({"best_run_id": best.run_id, "best_model_uri": best.model_uri})


def _named(split: str, evaluation: Evaluation) -> dict[str, float]:
    return {
        f"{split}_loss": evaluation.loss,
        f"{split}_accuracy": evaluation.accuracy,
        f"{split}_f1": evaluation.f1,
    }


def _input(dataset: Dataset, split: Split) -> MlflowDataset:
    """The split as MLflow's journal names it: profile, schema, source and our digest."""
    source = CodeDatasetSource(tags={"loader": dataset.source})
    if not dataset.columns:
        return from_numpy(split.inputs, source, split.labels, dataset.name.value, split.digest)
    frame = pd.DataFrame(split.inputs, columns=list(dataset.columns))
    frame["label"] = [dataset.classes[label] for label in split.labels]
    return from_pandas(frame, source, "label", dataset.name.value, split.digest)
