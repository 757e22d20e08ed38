"""One promotion from end to end: find, download, gate, resolve, rehearse, push, read back, commit, tell.

Everything up to the commit happens in scratch folders: refused or failed, nothing in the repository changed.
Stopped anywhere, even by a kill, the same promotion run again completes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from promote import export, git, interruptible, pinning, ready, record, sign, stage, tell
from promote.errors import PromotionRefused
from promote.plan import Plan
from promote.progress import Progress
from promote.stage import Staged
from serve import scratch
from serve.artifact import hashes, history, pin, remote, verify
from serve.artifact.pin import FILENAME, Pin, PinnedModel
from serve.artifact.snapshot import Snapshot
from serve.errors import PinUnreadable


@dataclass(frozen=True, slots=True)
class Standing:
    """What models.dvc in the work tree says as the promotion begins: its bytes, its pin, the models themselves."""

    data: bytes | None
    pin: Pin | None
    models: Mapping[str, Snapshot]


def run(plan: Plan, progress: Progress) -> str:
    """Promote → the revision that pins the model now; '' after a dry run. `PromotionRefused` where it can't be."""
    with git.one_at_a_time(plan.store.repo, lambda: progress.begins("waiting for another promotion")):
        scratch.sweep(plan.work)
        with scratch.folder(plan.work) as staging:
            progress.begins("downloading")
            standing = _standing(plan)
            model = export.download(plan.candidate, staging, plan.patience.transfer_seconds)
            artifact = verify.tree_digest(verify.manifest(model))
            progress.found("downloaded", f"{plan.candidate.uri} ({artifact[:19]})")
            pickles = stage.pickles(plan, model, progress)
            old = standing.models.get(plan.name)
            if old is not None and old.promotion.recorded.get("artifact") == artifact and _whole(plan, old):
                return _unchanged(plan, standing, progress)
            staged = stage.stage(plan, model, artifact, pickles, progress)
            return _pin(plan, standing, staged, progress)


def _standing(plan: Plan) -> Standing:
    data = git.look(plan.store.repo)
    if data is None:
        return Standing(None, None, {})
    try:
        now = pin.read(data)
    except PinUnreadable as error:
        raise PromotionRefused(f"{error.message}; restore it with git checkout -- {FILENAME}") from error
    return Standing(data, now, interruptible.run(pinning.standing(plan.store, now, plan.patience.transfer_seconds)))


def _whole(plan: Plan, old: Snapshot) -> bool:
    """Whether the model as it is pinned has all that it would be pinned with now."""
    signed = plan.signer is None or sign.bears(old.folder, plan.signer)
    return signed and (old.folder / hashes.FILENAME).is_file()


def _unchanged(plan: Plan, standing: Standing, progress: Progress) -> str:
    """The very same bytes: nothing to pin, but what an earlier promotion was stopped before is made up for."""
    assert standing.pin is not None
    assert standing.data is not None
    progress.found("unchanged", f"models/{plan.name} is these very bytes already")
    if plan.dry_run:
        return ""
    model = next(one for one in standing.pin.models if one.name == plan.name)
    if not git.is_committed(plan.store.repo):
        progress.begins("reading back from the remote")
        interruptible.run(pinning.read_back(plan.store, standing.pin, plan.work, plan.patience.transfer_seconds))
        return _commit(plan, standing, standing.data, model, progress)
    revision = history.revisions(plan.store.repo, standing.pin)[plan.name]
    _follow_up(plan, model, revision, progress)
    return revision


def _pin(plan: Plan, standing: Standing, staged: Staged, progress: Progress) -> str:
    """Push and read back, then commit."""
    others = {name: one.folder for name, one in standing.models.items() if name != plan.name}
    kept = tuple(one for one in (standing.pin.models if standing.pin else ()) if one.name != plan.name)
    if plan.dry_run:
        old = record.replaced(_at_head(plan))
        progress.found("dry run", f"would pin {staged.model.digest} and replace {old}; nothing was changed")
        return ""
    progress.begins("pushing to the remote, and reading back from it")
    folders = {**others, plan.name: staged.folder}
    pushed = interruptible.run(
        pinning.push(plan.store, folders, (*kept, staged.model), plan.work, plan.patience.transfer_seconds)
    )
    progress.found("pushed", f"{pushed.files} files, and read back whole from the remote")
    return _commit(plan, standing, pin.write(pushed), staged.model, progress)


def _commit(plan: Plan, standing: Standing, data: bytes, model: PinnedModel, progress: Progress) -> str:
    """models.dvc as `data` says, committed; then what follows from it."""
    repo = plan.store.repo
    progress.begins("committing")
    ready.require(repo)
    others = git.other_changes(repo)
    if standing.data is not None and not git.is_committed(repo):
        progress.found("note", f"{FILENAME} had changes that were not committed; the commit builds on them")
    revision = git.commit(repo, standing.data, data, record.message(plan.candidate, model, _at_head(plan)))
    told = (
        "1 other changed file was left as it is"
        if others == 1
        else f"{others} other changed files were left as they are"
    )
    left = f"; {told}" if others else ""
    _follow_up(plan, model, revision, progress, f"{revision[:12]}: {FILENAME} alone{left}")
    return revision


def _at_head(plan: Plan) -> PinnedModel | None:
    """The model of this name that HEAD pins."""
    data = git.at_head(plan.store.repo)
    try:
        models = pin.read(data).models if data is not None else ()
    except PinUnreadable:
        return None
    return next((one for one in models if one.name == plan.name), None)


def _follow_up(plan: Plan, model: PinnedModel, revision: str, progress: Progress, committed: str = "") -> None:
    """The work tree's copy of the bytes, and MLflow's tags. The promotion stands, whatever becomes of these."""
    try:
        if committed:
            progress.found("committed", committed)
        progress.begins("updating models/ in the work tree")
        undone = interruptible.run(pinning.fill_work_tree(plan.store, plan.patience.transfer_seconds))
        if undone:
            progress.found("note", f"models/ in the work tree was not updated ({undone}); run dvc checkout")
        if not git.ignores_models(plan.store.repo):
            progress.found("note", "git does not ignore models/, which DVC keeps: add /models to .gitignore")
        progress.begins("telling MLflow")
        told = tell.tell(plan.candidate, model.name, model.digest, revision)
        if told:
            progress.found("told", told)
        repo = plan.store.repo
        for left in (git.unkept(repo, Path(remote.of_author(repo).url)), git.unpublished(repo)):
            if left:
                progress.found("left", left)
    except KeyboardInterrupt:
        progress.found("note", "interrupted after the commit: the promotion is done; the same again does the rest")
    except Exception as error:  # nothing of this may look like a promotion that failed
        progress.found("note", f"the promotion is done, but: {error}")
