"""One promotion from end to end: find, download, gate, resolve, rehearse, push, read back, commit, tell.

Everything up to the commit happens in scratch folders: refused or failed, nothing in the repository changed.
"""

import asyncio
import getpass
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promote import export, gate, pinning, recipe, rehearse, tell
from promote.errors import PromotionRefused
from promote.rehearse import Rehearsed
from promote.source import Candidate
from serve import scratch
from serve.artifact import fetch, snapshot, verify
from serve.artifact.fetch import Store
from serve.artifact.pin import FILENAME, Pin, PinnedModel
from serve.artifact.snapshot import Recipe
from serve.errors import ServeError

Report = Callable[[str, str], None]  # (step, what it found)
_RESOLVE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to promote, under which name, from and into which repository."""

    candidate: Candidate
    name: str
    store: Store
    dry_run: bool


def run(plan: Plan, report: Report) -> str:
    """Promote → the revision that pins the model now; '' after a dry run. `PromotionRefused` where it can't be."""
    repo = plan.store.repo
    pinning.require_repository(repo)
    with pinning.one_at_a_time(repo), scratch.folder(plan.store.state) as staging:
        before = pinning.current(repo)
        model = export.download(plan.candidate, staging)
        artifact = verify.tree_digest(verify.manifest(model))
        report("downloaded", f"{plan.candidate.uri} ({artifact[:19]})")
        old = asyncio.run(_pinned_already(plan, before))
        if old is not None and old.promotion.recorded.get("artifact") == artifact:
            return _already(plan, before, old, report)
        staged = _stage(plan, model, artifact, report)
        if plan.dry_run:
            report("dry run", f"would pin {staged.digest[:19]} as models/{plan.name}; nothing was changed")
            return ""
        return _pin(plan, before, staging, staged, report)


async def _pinned_already(plan: Plan, before: Pin | None) -> snapshot.Snapshot | None:
    """The model pinned under this name now."""
    pinned = next((one for one in before.models if one.name == plan.name), None) if before else None
    if before is None or pinned is None:
        return None
    try:
        await fetch.fetch(plan.store, before, 3600.0)
        return snapshot.verified(plan.store, pinned)
    except ServeError as error:
        raise PromotionRefused(f"what {FILENAME} pins now can't be had: {error.message}") from error


def _already(plan: Plan, before: Pin | None, old: snapshot.Snapshot, report: Report) -> str:
    """The very same bytes: nothing to do, but to commit where an earlier promotion was stopped before it could."""
    repo = plan.store.repo
    if pinning.committed(repo) or plan.dry_run or before is None:
        report("unchanged", f"models/{plan.name} is these very bytes already")
        return pinning.git(repo, "log", "-1", "--format=%H", "--", FILENAME)
    pinned = next(one for one in before.models if one.name == plan.name)
    revision = pinning.commit(repo, pinning.Pinned(before, pinned), message(plan.candidate, pinned, None))
    report("committed", f"{revision[:12]}, which an earlier promotion had prepared")
    return revision


def _stage(plan: Plan, model: Path, artifact: str, report: Report) -> PinnedModel:
    """Judge, resolve, rehearse; then lay out what is pinned beside the model."""
    facts = export.facts(model)
    reasons = gate.verdict(plan.candidate, facts, export.stored_sizes(plan.candidate))
    if reasons:
        raise PromotionRefused(f"{plan.candidate.uri} may not be promoted: {'; '.join(reasons)}")
    report("passed", "finished run, signature, input example, whole artifact")
    resolved = _resolved(model)
    report("resolved", f"Python {resolved.python_minor}, {len(resolved.requirements)} packages")
    body = json.loads((model / gate.example_file(facts.mlmodel)).read_text(encoding="utf-8"))
    found = asyncio.run(rehearse.rehearse(plan.name, model, resolved, body, plan.store.state))
    report("rehearsed", "its example, in its own environment; " + (found.why_not or "requests may share batches"))
    if verify.tree_digest(verify.manifest(model)) != artifact:
        raise PromotionRefused("the model changed its own files while it was rehearsed")
    _lay_out(model.parent / "pinned", model, resolved, found, _record(plan, artifact, facts, found))
    digest = verify.tree_digest(verify.manifest(model.parent / "pinned"))
    return PinnedModel(plan.name, digest, plan.candidate.run, dict(plan.candidate.metrics or {}))


def _resolved(model: Path) -> Recipe:
    try:
        return asyncio.run(recipe.resolve(model, _RESOLVE_SECONDS))
    except ServeError as error:
        raise PromotionRefused(error.message) from error


def _lay_out(folder: Path, model: Path, resolved: Recipe, found: Rehearsed, record: Mapping[str, Any]) -> None:
    folder.mkdir()
    model.rename(folder / "model")
    golden = {"cases": found.golden.cases, "rtol": found.golden.rtol, "atol": found.golden.atol}
    (folder / "environment.txt").write_text(recipe.text(resolved), encoding="utf-8")
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    (folder / "promotion.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _record(plan: Plan, artifact: str, facts: gate.Facts, found: Rehearsed) -> dict[str, Any]:
    """The content of promotion.json."""
    candidate = plan.candidate
    return {
        "artifact": artifact,
        "batchable": found.batchable,
        "checks": {
            "rehearsed": True,
            "why_not_batchable": found.why_not,
            "mlflow": facts.mlmodel.get("mlflow_version"),
        },
        "dataset": candidate.dataset,
        "experiment": candidate.experiment,
        "metrics": dict(candidate.metrics or {}),
        "model_id": candidate.model_id,
        "name": plan.name,
        "params": dict(candidate.params or {}),
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "promoted_by": who(plan.store.repo),
        "run": candidate.run,
        "run_name": candidate.run_name,
        "source_commit": candidate.commit,
    }


def who(repo: Path) -> str:
    """The committer, as git has it, else the user."""
    try:
        return pinning.git(repo, "config", "user.name")
    except PromotionRefused:
        return os.environ.get("USER") or getpass.getuser()


def _pin(plan: Plan, before: Pin | None, staging: Path, model: PinnedModel, report: Report) -> str:
    """Push, read back, commit; then what follows from it."""
    pinned = asyncio.run(pinning.push(plan.store, before, staging / "pinned", model))
    report("pushed", f"{pinned.pin.files} files, and read back whole from the remote")
    old = next((one for one in before.models if one.name == model.name), None) if before else None
    others = pinning.other_changes(plan.store.repo)
    revision = pinning.commit(plan.store.repo, pinned, message(plan.candidate, model, old))
    left = f"; {others} other changed files were left as they are" if others else ""
    report("committed", f"{revision[:12]}: {FILENAME} alone{left}")
    undone = asyncio.run(pinning.fill_work_tree(plan.store))
    if undone:
        report("note", f"models/ in the work tree was not updated ({undone}); run dvc checkout")
    refused = tell.tell(plan.candidate, model.name, model.digest, revision)
    report("note" if refused else "told", refused or "MLflow: tags on the model and its run, alias where registered")
    return revision


def message(candidate: Candidate, model: PinnedModel, old: PinnedModel | None) -> str:
    """The commit message: what was promoted, by which figures, and what it replaces."""
    lines = [f"Promote {model.name}" + (f": run {_plain(candidate.run_name)}" if candidate.run_name else ""), ""]
    facts = {
        "Model": candidate.model_id or candidate.uri.rsplit("/", 1)[-1],
        "Run": f"{candidate.run} (experiment {candidate.experiment})" if candidate.run else "",
        "Digest": model.digest,
        "Dataset": candidate.dataset,
        "Replaces": f"{old.digest}" + (f" of run {old.run}" if old.run else "") if old else "nothing",
    }
    lines += [f"{key + ':':<10}{_plain(value)}" for key, value in facts.items() if value]
    for name, value in sorted(model.metrics.items()):
        was = f" (was {old.metrics[name]:.6g})" if old is not None and name in old.metrics else ""
        lines.append(f"  {_plain(name)} = {value:.6g}{was}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Metadata is data: one line, printable, of bounded length."""
    return "".join(character if character.isprintable() else " " for character in text)[:200]
