"""The command `train`: one training, or a sweep of them, recorded in MLflow.

In: arguments. Out: on stdout a summary, one `name value` a line, and nothing else; on stderr progress bars
(on a terminal) or one sentence that says what is wrong. Exits 0 when done, 2 when the arguments cannot be
used, 1 when something failed, 130 when interrupted. torch and mlflow are imported inside the commands: that
takes seconds, and neither `train --help` nor a mistyped argument should wait for it.
"""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from train.errors import TrainError
from train.settings import DatasetName, Hyperparameters, Objective, choose, describe, describe_default

if TYPE_CHECKING:
    from train.loop import Event

cli = typer.Typer(
    help="Train the models and record every run in MLflow.",
    epilog="Runs go where MLFLOW_TRACKING_URI says, else to mlflow.db and mlruns/ here: look with `mlflow ui`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _option(field: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=describe(field), show_default=describe_default(field))
    return option


Which = Annotated[DatasetName, typer.Argument(metavar="DATASET", help="digits or tumours.")]
Experiment = Annotated[str | None, typer.Option(help="MLflow experiment.", show_default="the dataset's name")]
LearningRate = Annotated[float | None, _option("learning_rate")]
BatchSize = Annotated[int | None, _option("batch_size")]
Epochs = Annotated[int | None, _option("epochs")]
Seed = Annotated[int | None, _option("seed")]
Hidden = Annotated[int | None, _option("hidden")]
Dropout = Annotated[float | None, _option("dropout")]
WeightDecay = Annotated[float | None, _option("weight_decay")]


@cli.command(epilog="Example: train run digits --epochs 20")
def run(
    dataset: Which,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    seed: Seed = None,
    hidden: Hidden = None,
    dropout: Dropout = None,
    weight_decay: WeightDecay = None,
    experiment: Experiment = None,
) -> None:
    """Train once and record the run with its model."""
    given = _given(learning_rate, batch_size, epochs, seed, hidden, dropout, weight_decay)
    with _told():
        _run(dataset, choose(dataset, **given), experiment or dataset.value)


@cli.command(epilog="Example: train sweep tumours --trials 20")
def sweep(
    dataset: Which,
    trials: Annotated[int, typer.Option(help="How many trainings to try.", min=1)] = 10,
    objective: Annotated[Objective, typer.Option(help="Which metric decides.")] = Objective.ACCURACY,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    seed: Seed = None,
    hidden: Hidden = None,
    dropout: Dropout = None,
    weight_decay: WeightDecay = None,
    experiment: Experiment = None,
) -> None:
    """Search for good hyper-parameters: one parent run, one nested run a trial.

    What is given here is kept fixed; learning rate, batch size, hidden and dropout are searched where not given.
    """
    given = _given(learning_rate, batch_size, epochs, seed, hidden, dropout, weight_decay)
    with _told():
        chosen = choose(dataset, **given)  # refuse bad values before anything is recorded
        _sweep(dataset, trials, objective, {**given, "seed": chosen.seed}, experiment or dataset.value)


def main() -> None:
    """The console script. A polite kill is an interruption too: the run ends as KILLED."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cli(prog_name="train")


def _run(name: DatasetName, hyperparameters: Hyperparameters, experiment_name: str) -> None:
    from train.data import load
    from train.loop import fit, steps_per_epoch
    from train.progress import Bars
    from train.record.journal import record, running
    from train.record.store import open_experiment

    experiment = open_experiment(experiment_name)
    dataset = load(name)
    total = hyperparameters.epochs * steps_per_epoch(dataset, hyperparameters)
    with Bars(Console(stderr=True)) as bars, running(experiment, None, {"kind": "run"}) as run_id:
        events = bars.follow(name.value, fit(dataset, hyperparameters), total)
        recorded = record(run_id, dataset, hyperparameters, events)
    _say({"run_id": run_id, "experiment": experiment.name, "model_uri": recorded.model_uri, **recorded.metrics})


def _sweep(
    name: DatasetName, trials: int, objective: Objective, fixed: Mapping[str, float], experiment_name: str
) -> None:
    from train.data import load
    from train.loop import steps_per_epoch
    from train.progress import Bars
    from train.record.store import open_experiment
    from train.sweep import Plan
    from train.sweep import sweep as search

    experiment = open_experiment(experiment_name)
    dataset = load(name)
    with Bars(Console(stderr=True)) as bars:
        overall = bars.add(f"sweep of {name}", trials)

        def watch(number: int, trial: Hyperparameters, events: Iterator["Event"]) -> Iterator["Event"]:
            total = trial.epochs * steps_per_epoch(dataset, trial)
            yield from bars.follow(f"trial {number}", events, total)
            bars.advance(overall, "")

        swept = search(Plan(experiment, dataset, trials, objective, fixed, int(fixed["seed"])), watch)
    best = swept.best
    _say({"sweep_run_id": swept.run_id, "experiment": experiment.name, "finished": f"{swept.finished}/{trials}"})
    _say({"run_id": best.recorded.run_id, "model_uri": best.recorded.model_uri, **best.recorded.metrics})
    _say(best.hyperparameters.model_dump())


def _given(
    learning_rate: float | None,
    batch_size: int | None,
    epochs: int | None,
    seed: int | None,
    hidden: int | None,
    dropout: float | None,
    weight_decay: float | None,
) -> dict[str, float]:
    values = {
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "epochs": epochs,
        "seed": seed,
        "hidden": hidden,
        "dropout": dropout,
        "weight_decay": weight_decay,
    }
    return {name: value for name, value in values.items() if value is not None}


def _say(facts: Mapping[str, object]) -> None:
    for name, value in facts.items():
        shown = f"{value:.6g}" if isinstance(value, float) else value
        typer.echo(f"{name:<14} {shown}")


@contextmanager
def _told() -> Iterator[None]:
    """End the command with one sentence on stderr. TRAIN_TRACEBACK=1 shows where an unforeseen error arose."""
    try:
        yield
    except TrainError as error:
        _stop(str(error), error.exit_code)
    except KeyboardInterrupt:
        _stop("interrupted; a run that had begun is recorded as KILLED.", 130)
    except Exception as error:
        if os.environ.get("TRAIN_TRACEBACK"):
            raise
        reason = " ".join(str(error).split())
        _stop(f"unforeseen {type(error).__name__}: {reason} (TRAIN_TRACEBACK=1 shows where).", 1)


def _stop(sentence: str, exit_code: int) -> None:
    typer.echo(f"train: {sentence}", err=True)
    raise typer.Exit(exit_code)


if __name__ == "__main__":
    main()
