"""A sweep: Optuna proposes hyper-parameters, each trial is a run of its own under one parent run.

In: a dataset, what is held fixed, the number of trials. Out: the best trial. The first trial is the
dataset's defaults, so a sweep never ends below them. A trial that diverges is recorded as FAILED and the
sweep goes on. The parent run holds the running best, and which trial won, even after an interruption.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import Trial, TrialState

from train.data import Dataset
from train.errors import Diverged, NoTrialFinished
from train.loop import Event, fit
from train.record.journal import Recorded, begin_sweep, conclude_sweep, note_best, record, running
from train.record.store import Experiment
from train.settings import Hyperparameters, Objective, choose

SPACE: Mapping[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 3e-2, log=True),
    "batch_size": CategoricalDistribution((16, 32, 64, 128)),
    "hidden": CategoricalDistribution((16, 32, 64, 128)),
    "dropout": FloatDistribution(0.0, 0.5),
}

Watch = Callable[[int, Hyperparameters, Iterator[Event]], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Trained:
    """One finished trial."""

    recorded: Recorded
    hyperparameters: Hyperparameters


@dataclass(frozen=True, slots=True)
class Swept:
    """A finished sweep: the parent's run id, how many trials finished, and the best of them."""

    run_id: str
    finished: int
    best: Trained


@dataclass(frozen=True, slots=True)
class Plan:
    """What is swept. `fixed` holds the hyper-parameters that are not searched, by name."""

    experiment: Experiment
    dataset: Dataset
    trials: int
    objective: Objective
    fixed: Mapping[str, float]
    seed: int


def sweep(plan: Plan, watch: Watch) -> Swept:
    """Run the trials; `watch` sees every trial's events. Raises NoTrialFinished, StoreFailed."""
    tags = {"kind": "sweep", "dataset": plan.dataset.name.value}
    with running(plan.experiment, f"sweep-{plan.dataset.name}", tags) as parent_id:
        begin_sweep({"trials": plan.trials, "objective": plan.objective.value, "seed": plan.seed, **plan.fixed})
        finished: list[Trained] = []
        try:
            for trained in _trials(plan, watch):
                finished.append(trained)
                value = _best(plan, finished).recorded.metrics[plan.objective]
                note_best(len(finished), plan.objective, value)
        finally:
            if finished:
                best = _best(plan, finished)
                conclude_sweep(best.recorded, best.hyperparameters)
        if not finished:
            raise NoTrialFinished(plan.trials)
    return Swept(parent_id, len(finished), best)


def _trials(plan: Plan, watch: Watch) -> Iterator[Trained]:
    """The trials that did not diverge, each as it ends."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=plan.seed)
    study = optuna.create_study(sampler=sampler, direction=plan.objective.direction)
    space = {name: values for name, values in SPACE.items() if name not in plan.fixed}
    defaults = choose(plan.dataset.name).model_dump()
    study.enqueue_trial({name: defaults[name] for name in space})
    for _ in range(plan.trials):
        trial = study.ask(space)
        try:
            trained = _trial(plan, trial, watch)
        except Diverged:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, trained.recorded.metrics[plan.objective])
            yield trained


def _trial(plan: Plan, trial: Trial, watch: Watch) -> Trained:
    hyperparameters = choose(plan.dataset.name, **{**plan.fixed, "seed": plan.seed, **trial.params})
    tags = {"kind": "trial", "trial": str(trial.number)}
    with running(plan.experiment, f"trial-{trial.number:03d}", tags, nested=True) as run_id:
        events = watch(trial.number, hyperparameters, fit(plan.dataset, hyperparameters))
        recorded = record(run_id, plan.dataset, hyperparameters, events)
    return Trained(recorded, hyperparameters)


def _best(plan: Plan, finished: list[Trained]) -> Trained:
    """The first of the best, so that a tie does not change the winner."""
    sign = 1 if plan.objective.direction == "maximize" else -1
    return max(finished, key=lambda trained: sign * trained.recorded.metrics[plan.objective])
