"""What a promotion writes down: the metrics in models.dvc, promotion.json, the commit message. Pure.

Names and values from MLflow are data: one line each, of bounded length, finite; and nothing here is a path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promote.errors import plain
from promote.source import Candidate
from serve.artifact.pin import PinnedModel

MOST_METRICS = 50
_MOST_NAME = 100


@dataclass(frozen=True, slots=True)
class Checked:
    """What the promotion found out itself: the digest of the model as logged, MLflow's version, batching, who, when.

    `pickles` are the model's files that are pickles, by path.
    """

    artifact: str
    mlflow: str
    batchable: bool
    why_not_batchable: str
    by: str
    at: str
    pickles: tuple[str, ...] = ()


def pinned_metrics(candidate: Candidate) -> dict[str, float]:
    """Those for models.dvc: at most 50 by name, the one it was chosen by among them; not those of the machine."""
    fit = [name for name in candidate.metrics if not name.startswith("system/") and plain(name, _MOST_NAME) == name]
    first = sorted(fit, key=lambda name: (name != candidate.chosen_by, name))[:MOST_METRICS]
    return {name: candidate.metrics[name] for name in sorted(first)}


def promotion(candidate: Candidate, name: str, checked: Checked) -> dict[str, Any]:
    """The content of promotion.json."""
    return {
        "artifact": checked.artifact,
        "batchable": checked.batchable,
        "checks": {
            "rehearsed": True,
            "why_not_batchable": checked.why_not_batchable,
            "mlflow": checked.mlflow,
        },
        "dataset": candidate.dataset,
        "experiment": candidate.experiment,
        "metrics": dict(candidate.metrics),
        "model_id": candidate.model_id,
        "name": name,
        "params": dict(candidate.params),
        "pickles": list(checked.pickles),
        "promoted_at": checked.at,
        "promoted_by": checked.by,
        "run": candidate.run,
        "run_name": candidate.run_name,
        "source_commit": candidate.commit,
    }


def message(candidate: Candidate, model: PinnedModel, old: PinnedModel | None) -> str:
    """The commit message: what was promoted, by which figures, and what it replaces."""
    facts = {
        "Model": candidate.model_id or candidate.uri.rsplit("/", 1)[-1],
        "Run": f"{candidate.run} (experiment {candidate.experiment})" if candidate.run else "",
        "Digest": model.digest,
        "Dataset": candidate.dataset,
        "Replaces": replaced(old),
    }
    lines = [_subject(candidate, model), ""]
    lines += [f"{key + ':':<10}{plain(value)}" for key, value in facts.items() if value]
    lines += [_figure(name, value, old.metrics if old else {}) for name, value in sorted(model.metrics.items())]
    left = len(candidate.metrics) - len(model.metrics)
    lines += [f"  and {left} more in promotion.json"] if left > 0 else []
    return "\n".join(lines) + "\n"


def replaced(old: PinnedModel | None) -> str:
    """What a promotion takes the place of."""
    if old is None:
        return "nothing"
    return old.digest + (f" of run {old.run}" if old.run else "")


def _subject(candidate: Candidate, model: PinnedModel) -> str:
    name = plain(candidate.run_name, 60)
    return f"Promote {model.name}" + (f": run {name}" if name else "")


def _figure(name: str, value: float, before: Mapping[str, float]) -> str:
    was = f" (was {before[name]:.6g})" if name in before else ""
    return f"  {plain(name)} = {value:.6g}{was}"
