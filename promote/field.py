"""The field of an experiment: its finished runs with a model, by a metric, the best first.

Higher is better, except for metrics whose name ends in loss, error, mae, mse or rmse; `--lower` and `--higher`
say otherwise. A run whose value is no number takes no part.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from promote.errors import PromotionRefused, plain
from promote.source import Candidate, connect, find, mlflow_said, references

_LOWER = re.compile(r"(loss|error|mae|mse|rmse)$")
_PAGE = 1000


def lower_is_better(metric: str) -> bool:
    """What the metric's name says."""
    return _LOWER.search(metric.lower()) is not None


def candidates(repo: Path, experiment: str, metric: str, lower: bool) -> list[Run]:
    """Finished runs of `experiment` that have `metric` and logged a model, the best first; at least one."""
    client = connect(repo)
    with mlflow_said():
        runs = list(_finished(client, experiment))
    measured = [run for run in runs if math.isfinite(run.data.metrics.get(metric, math.nan))]
    if not runs:
        raise PromotionRefused(f"experiment '{plain(experiment)}' has no finished run with a model")
    if not measured:
        known = sorted({name for run in runs for name in run.data.metrics})
        raise PromotionRefused(
            f"no finished run of experiment '{plain(experiment)}' with a model has metric '{plain(metric)}'; "
            f"their metrics are {plain(', '.join(known[:12])) or 'none'}"
        )
    return sorted(measured, key=lambda run: float(run.data.metrics[metric]), reverse=not lower)


def best(repo: Path, experiment: str, metric: str, lower: bool) -> Candidate:
    """The winner."""
    winner = candidates(repo, experiment, metric, lower)[0]
    return replace(find(winner.info.run_id, repo), chosen_by=metric)


def _finished(client: MlflowClient, experiment: str) -> Iterator[Run]:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        names = ", ".join(sorted(one.name for one in client.search_experiments())) or "none"
        raise PromotionRefused(f"MLflow has no experiment '{plain(experiment)}'; it has: {plain(names, 400)}")
    token = None
    while True:
        page = client.search_runs(
            [found.experiment_id], "attributes.status = 'FINISHED'", max_results=_PAGE, page_token=token
        )
        yield from (run for run in page if references(run))
        token = page.token
        if not token:
            return
