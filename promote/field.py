"""The field of an experiment: its finished runs with a model, by a metric, the best first.

Higher is better, except for metrics whose name ends in loss, error, mae, mse or rmse; `--lower` and `--higher`
say otherwise.
"""

import re
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from promote.errors import PromotionRefused
from promote.source import Candidate, connect, find, mlflow_said

_LOWER = re.compile(r"(loss|error|mae|mse|rmse)$")
_MOST = 200


def lower_is_better(metric: str) -> bool:
    """What the metric's name says."""
    return _LOWER.search(metric.lower()) is not None


def candidates(repo: Path, experiment: str, metric: str, lower: bool) -> list[Run]:
    """Finished runs of `experiment` that have `metric` and logged a model, the best first; at least one."""
    client = connect(repo)
    with mlflow_said():
        runs = _finished(client, experiment)
    measured = [run for run in runs if metric in run.data.metrics]
    if not measured:
        known = sorted({name for run in runs for name in run.data.metrics})
        told = f"their metrics are {', '.join(known[:12])}" if known else "there is none at all"
        raise PromotionRefused(
            f"no finished run of experiment '{experiment}' with a model has metric '{metric}'; {told}"
        )
    return sorted(measured, key=lambda run: float(run.data.metrics[metric]), reverse=not lower)


def best(repo: Path, experiment: str, metric: str, lower: bool) -> Candidate:
    """The winner."""
    return find(candidates(repo, experiment, metric, lower)[0].info.run_id, repo)


def _finished(client: MlflowClient, experiment: str) -> list[Run]:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        names = ", ".join(sorted(one.name for one in client.search_experiments())) or "none"
        raise PromotionRefused(f"MLflow has no experiment '{experiment}'; it has: {names}")
    runs = client.search_runs([found.experiment_id], "attributes.status = 'FINISHED'", max_results=_MOST)
    return [run for run in runs if run.outputs and run.outputs.model_outputs]
