"""A downloaded model → what is pinned: judged, its environment resolved, rehearsed, and laid out with its records.

All in the staging folder, which this promotion owns. The layout is `serve.artifact.snapshot`'s.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promote import example, export, gate, git, interruptible, recipe, record, rehearse, sign
from promote.errors import PromotionRefused
from promote.plan import Plan
from promote.progress import Progress
from promote.recipe import Resolved
from promote.record import Checked
from promote.rehearse import Rehearsed
from serve.artifact import formats, hashes, statement, verify
from serve.artifact.lease import Leases
from serve.artifact.pin import PinnedModel
from serve.artifact.snapshot import mlmodel
from serve.worker.process import Command

_RESOLVE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Staged:
    """A model that passed, laid out as it will be pinned."""

    folder: Path
    model: PinnedModel


def pickles(plan: Plan, model: Path, progress: Progress) -> tuple[str, ...]:
    """The model's files that are pickles; refused where there may be none, with what is safer."""
    found = formats.pickles(model)
    if found:
        named = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        told, safer = f"the model holds pickles ({named})", formats.safer(mlmodel(model))
        if not plan.allow_pickle:
            raise PromotionRefused(f"{told}; log it without them: {safer}")
        progress.found("note", f"{told}, which run what they name as they are loaded; safer is {safer}")
    return found


def stage(plan: Plan, model: Path, artifact: str, pickled: Sequence[str], progress: Progress) -> Staged:
    """Judge, resolve, rehearse; then lay out what is pinned beside the model, and sign it where that is asked."""
    facts = export.facts(model)
    reasons = gate.verdict(plan.candidate, facts, export.stored_sizes(plan.candidate))
    if reasons:
        raise PromotionRefused(f"{plan.candidate.uri} may not be promoted: {'; '.join(reasons)}")
    body = _example(model, facts)
    progress.found("passed", "finished run, signature, input example, whole artifact")
    resolved, found = interruptible.run(_rehearsed(plan, model, facts, body, progress))
    if verify.tree_digest(verify.manifest(model)) != artifact:
        raise PromotionRefused("the model changed its own files while it was rehearsed")
    checked = _checked(plan, artifact, facts, found, pickled)
    folder = _lay_out(model, resolved, found, record.promotion(plan.candidate, plan.name, checked))
    if plan.signer is not None:
        sign.sign(folder, plan.signer)
        progress.found("signed", f"{statement.FILENAME}, by {plan.signer.certificate or plan.signer.key}")
    digest = verify.tree_digest(verify.manifest(folder))
    metrics = record.pinned_metrics(plan.candidate)
    return Staged(folder, PinnedModel(plan.name, digest, plan.candidate.run, metrics))


def _example(model: Path, facts: gate.Facts) -> Mapping[str, Any]:
    path = example.file(facts.mlmodel)
    try:
        return example.body(facts.mlmodel, (model / path).read_text(encoding="utf-8"))
    except (ValueError, TypeError) as error:
        raise PromotionRefused(f"its input example {path} can't be read: {error}") from error


async def _rehearsed(
    plan: Plan, model: Path, facts: gate.Facts, body: Mapping[str, Any], progress: Progress
) -> tuple[Resolved, Rehearsed]:
    progress.begins("resolving its environment")
    resolved = await recipe.resolve(model, facts.requirements, _RESOLVE_SECONDS, plan.from_source)
    listed = resolved.recipe.requirements
    progress.found("resolved", f"Python {resolved.recipe.python_minor}, {len(listed)} packages")
    progress.begins("making its environment")
    with Leases() as leases:
        python = await rehearse.interpreter(resolved.recipe, plan.store.state, plan.patience, leases, plan.from_source)
        progress.begins("rehearsing")
        confinement = plan.confinement
        command = Command(plan.name, "", model, python, threads=1, state=plan.work, confinement=confinement)
        found = await rehearse.rehearse(command, body, plan.patience)
    batches = f"one request at a time ({found.why_not_batchable})" if found.why_not_batchable else "in batches"
    progress.found("rehearsed", f"answers its example, in its own environment, {batches}")
    return resolved, found


def _checked(plan: Plan, artifact: str, facts: gate.Facts, found: Rehearsed, pickled: Sequence[str]) -> Checked:
    return Checked(
        artifact=artifact,
        mlflow=str(facts.mlmodel.get("mlflow_version", "")),
        batchable=not found.why_not_batchable,
        why_not_batchable=found.why_not_batchable,
        by=git.committer(plan.store.repo),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        pickles=tuple(pickled),
    )


def _lay_out(model: Path, resolved: Resolved, found: Rehearsed, recorded: Mapping[str, Any]) -> Path:
    """The folder that is pinned, under the name of the model, which a signature repeats."""
    folder = model.parent / "pinned" / str(recorded["name"])
    folder.mkdir(parents=True)
    model.rename(folder / "model")
    golden = {"cases": found.golden.cases, "rtol": found.golden.rtol, "atol": found.golden.atol}
    (folder / "environment.txt").write_text(recipe.text(resolved.recipe), encoding="utf-8")
    (folder / hashes.FILENAME).write_text(resolved.hashes, encoding="utf-8")
    (folder / "golden.json").write_text(_json(golden), encoding="utf-8")
    (folder / "promotion.json").write_text(_json(recorded), encoding="utf-8")
    return folder


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
