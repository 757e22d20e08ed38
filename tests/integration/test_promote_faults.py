"""What may go wrong while a promotion is under way: kills, several at once, broken remotes, hooks, interrupts.

Row G-1 is the tests named `killed`, G-2 those of a remote (more in test_promote_remote), G-4 that of several at once.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from promote import git, pinning
from promote.errors import PromotionRefused
from serve.artifact import pin, verify
from serve.artifact.fetch import Store
from serve.artifact.pin import PinnedModel
from tests.forms import forms
from tests.integration.conftest import Field
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository

pytestmark = MLFLOWS_OWN_WARNINGS
GIT = shutil.which("git")


def started(repository: Repository, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        repository.command(*arguments),
        env=repository.whole_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def said(process: subprocess.Popen[str], step: str) -> None:
    """Return as soon as the command says that it is done with `step`."""
    assert process.stderr is not None
    assert any(line.startswith(step) for line in process.stderr), f"it never came to '{step}'"


def shimmed(repository: Repository, folder: Path, script: str) -> Repository:
    """The repository with a `git` first on PATH that runs `script` first; `$real` is git."""
    folder.mkdir()
    shim = folder / "git"
    shim.write_text(f'#!/bin/bash\nreal="{GIT}"\n{script}\nexec "$real" "$@"\n')
    shim.chmod(0o755)
    return replace(repository, variables={"PATH": f"{folder}:{os.environ['PATH']}"})


def require_completes(repository: Repository, *arguments: str | Path) -> None:
    """After a kill: what HEAD pins is whole in the remote, and the same command, without a flag, does the rest."""
    if "models.dvc" in repository.git("ls-tree", "--name-only", "HEAD"):
        repository.require_resolvable()
    told = repository.promote_here(*arguments)
    assert told.revision == repository.git("rev-parse", "HEAD")
    assert repository.git("status", "--porcelain") == ""
    assert repository.folder.joinpath("models.dvc").read_bytes() == git.at_head(repository.folder)
    pinned = next(one for one in repository.pin().models if one.name == "oracle")
    assert verify.tree_digest(verify.manifest(repository.folder / "models" / "oracle")) == pinned.digest
    repository.require_resolvable()


LONG = pytest.mark.e2e
STEPS = ("downloaded", "passed", "resolved", "rehearsed", "pushed", "committed")


@LONG
@pytest.mark.parametrize("step", STEPS)
def test_killed_after_a_step_the_same_promotion_again_completes(repository: Repository, three: Path, step: str) -> None:
    with started(repository, three, "--name", "oracle") as process:
        said(process, step)
        process.kill()
    require_completes(repository, three, "--name", "oracle")


@pytest.mark.parametrize(
    ("when", "script"),
    [
        ("before commit", 'if [[ "$*" == *" commit "* ]]; then kill -9 $PPID; exit 1; fi'),
        pytest.param("after commit", 'if [[ "$*" == *" commit "* ]]; then "$real" "$@"; kill -9 $PPID; fi', marks=LONG),
        pytest.param("before add", 'if [[ "$*" == *" add "* ]]; then kill -9 $PPID; exit 1; fi', marks=LONG),
        pytest.param("after add", 'if [[ "$*" == *" add "* ]]; then "$real" "$@"; kill -9 $PPID; fi', marks=LONG),
    ],
)
def test_killed_around_the_commit_the_same_promotion_again_completes(
    fresh: Repository, field: Field, tmp_path: Path, when: str, script: str
) -> None:
    with started(shimmed(fresh, tmp_path / "bin", script), field.first.run, "--name", "oracle") as process:
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert "pinion.revision" not in fresh.mlflow.get_run(field.first.run).data.tags
    require_completes(fresh, field.first.run, "--name", "oracle")
    revision = fresh.git("rev-parse", "HEAD")
    assert fresh.mlflow.get_run(field.first.run).data.tags["pinion.revision"] == revision


@LONG
def test_g2_what_was_left_uncommitted_is_read_back_from_the_remote_before_it_is_committed(
    repository: Repository, three: Path
) -> None:
    """As a kill before the commit leaves it; and meanwhile the remote has lost something."""
    repository.promote_here(three, "--name", "oracle")
    victim = repository.object(verify.manifest(three)["data/factor.txt"].md5)
    repository.git("reset", "--soft", "HEAD^")
    before = repository.fingerprint()
    aside = victim.rename(victim.with_name("aside"))
    refusal = repository.promote_here(three, "--name", "oracle").refusal
    assert "the remote does not give back what was pushed" in refusal
    assert repository.fingerprint() == before
    aside.rename(victim)
    require_completes(repository, three, "--name", "oracle")


@LONG
def test_killed_while_it_pushes_the_same_promotion_again_completes(repository: Repository, three: Path) -> None:
    remote = repository.folder / "remote"
    before = sum(1 for _ in remote.rglob("*"))
    with started(repository, three, "--name", "oracle") as process:
        while sum(1 for _ in remote.rglob("*")) == before:
            assert process.poll() is None
        process.kill()
    require_completes(repository, three, "--name", "oracle")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=LONG)])
def test_interrupted_it_says_so_and_nothing_changed(repository: Repository, three: Path, number: int) -> None:
    before = repository.fingerprint()
    with started(repository, three, "--name", "oracle") as process:
        said(process, "resolved")
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err == "promote: interrupted; nothing in the repository changed\n"
    assert repository.fingerprint() == before
    assert list((repository.state / "promote" / "scratch").glob(f"{process.pid}-*")) == []


@forms(2, 20)
def test_g4_several_at_once_are_all_in_the_history_each_with_its_own_artifact(
    repository: Repository, tmp_path: Path, times: int
) -> None:
    base = repository.git("rev-parse", "HEAD")
    models = [oracle(tmp_path / f"model-{at}", 20 + at) for at in range(times)]
    promotions = [started(repository, model, "--name", f"m{at:02}") for at, model in enumerate(models)]
    told = [process.communicate() for process in promotions]
    assert [process.returncode for process in promotions] == [0] * times, told
    revisions = [out.strip() for out, _ in told]
    history = repository.git("log", "--format=%H", f"{base}..HEAD").splitlines()
    assert sorted(history) == sorted(revisions)
    assert len(repository.git("rev-list", "--merges", f"{base}..HEAD")) == 0
    for at, (model, revision) in enumerate(zip(models, revisions, strict=True)):
        before = repository.pin(f"{revision}^").models
        [new] = [one for one in repository.pin(revision).models if one not in before]
        assert new.name == f"m{at:02}"
        snapshot = repository.folder / "models" / new.name
        assert verify.tree_digest(verify.manifest(snapshot)) == new.digest
        assert verify.manifest(snapshot / "model") == verify.manifest(model)
    assert len(repository.pin().models) == times + 1
    repository.require_resolvable()


@LONG
def test_a_rollback_meanwhile_is_not_undone(repository: Repository, three: Path) -> None:
    """Whoever changes models.dvc while a promotion runs has the last word; the promotion says so."""
    head = repository.git("rev-parse", "HEAD")
    with started(repository, three, "--name", "oracle") as process:
        said(process, "rehearsed")
        changed = repository.folder / "models.dvc"
        changed.write_bytes(changed.read_bytes() + b"# by hand\n")
        _, err = process.communicate()
    assert process.returncode == 1
    assert "models.dvc was changed while this promotion ran; nothing was committed: run it again" in err
    assert changed.read_bytes().endswith(b"# by hand\n")
    assert repository.git("rev-parse", "HEAD") == head


def test_a_hook_that_refuses_leaves_everything_as_it_was(fresh: Repository, three: Path) -> None:
    hook = fresh.folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'no releases on a Friday' >&2\nexit 1\n")
    hook.chmod(0o755)
    before = fresh.fingerprint()
    assert fresh.promote_here(three).refusal == "git commit failed: no releases on a Friday"
    assert fresh.fingerprint() == before


@LONG
def test_interrupted_in_the_commit_it_goes_by_how_git_ended(fresh: Repository, three: Path) -> None:
    hook = fresh.folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/bash\nkill -INT -- -"$(ps -o pgid= $$ | tr -d " ")"\nsleep 60\n')  # as Ctrl-C does
    hook.chmod(0o755)
    before = fresh.fingerprint()
    with started(fresh, three) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith("promote: git commit failed")
    assert fresh.fingerprint() == before
    assert not (fresh.folder / ".git" / "index.lock").exists()


@LONG
def test_a_remote_that_can_not_be_reached_leaves_everything_as_it_was(repository: Repository, three: Path) -> None:
    config = repository.folder / ".dvc" / "config"
    config.write_text(config.read_text().replace("url = ../remote", "url = /dev/null/remote"))
    before = repository.fingerprint()
    assert "dvc push failed" in repository.promote_here(three).refusal
    assert repository.fingerprint() == before


@pytest.fixture
def staged(repository: Repository, tmp_path: Path) -> PinnedModel:
    """A folder to push, at `tmp_path`/staged."""
    folder = oracle(tmp_path / "staged", 9)
    return PinnedModel("nine", verify.tree_digest(verify.manifest(folder)))


def pushed(repository: Repository, folder: Path, model: PinnedModel) -> pin.Pin:
    store = Store(repository.folder, repository.state)
    return asyncio.run(pinning.push(store, {"nine": folder}, (model,), repository.state / "promote", 60.0))


def test_what_was_pushed_is_pinned_as_it_was_read_back(
    repository: Repository, staged: PinnedModel, tmp_path: Path
) -> None:
    found = pushed(repository, tmp_path / "staged", staged)
    assert (found.models, found.files) == ((staged,), 7)
    assert repository.object(found.oid).is_file()


def test_an_object_that_is_corrupt_in_the_remote_is_caught(
    repository: Repository, staged: PinnedModel, tmp_path: Path
) -> None:
    found = pushed(repository, tmp_path / "staged", staged)
    victim = repository.object(verify.manifest(tmp_path / "staged")["data/factor.txt"].md5)
    victim.chmod(0o644)
    victim.write_text("8\n")
    with pytest.raises(PromotionRefused, match=r"does not give back what was pushed.*models/nine/data/factor.txt"):
        pushed(repository, tmp_path / "staged", staged)
    assert repository.object(found.oid).is_file()


@contextmanager
def losing(path: Path) -> Iterator[None]:
    """A remote that loses this object as soon as it has it."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            path.unlink(missing_ok=True)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_an_object_that_the_remote_loses_is_caught(repository: Repository, staged: PinnedModel, tmp_path: Path) -> None:
    victim = repository.object(verify.manifest(tmp_path / "staged")["data/factor.txt"].md5)
    with (
        losing(victim),
        pytest.raises(PromotionRefused, match=r"does not give back what was pushed.*models/nine/data/factor.txt"),
    ):
        pushed(repository, tmp_path / "staged", staged)


def test_a_remote_that_is_nowhere_is_told(repository: Repository, staged: PinnedModel, tmp_path: Path) -> None:
    config = repository.folder / ".dvc" / "config"
    config.write_text(config.read_text().replace("url = ../remote", "url = /dev/null/remote"))
    with pytest.raises(Exception, match="dvc push failed: "):
        pushed(repository, tmp_path / "staged", staged)


def test_a_pin_too_large_to_be_read_is_not_written(repository: Repository, tmp_path: Path) -> None:
    folder = oracle(tmp_path / "staged", 9)
    digest = verify.tree_digest(verify.manifest(folder))
    large = PinnedModel("nine", digest, "", {f"metric {at:0100}": 1.0 for at in range(1000)})
    with pytest.raises(PromotionRefused, match=r"models.dvc would have .* bytes, and may have 65536"):
        pushed(repository, folder, large)


def test_a_full_or_read_only_disk_is_told_in_a_sentence(repository: Repository, three: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "promote").write_text("a file where a folder must be")
    spoiled = replace(repository, state=tmp_path / "state")
    before = repository.fingerprint()
    told = spoiled.promote_here(three).refusal
    assert told.startswith("Not a directory: ") or told.startswith("File exists: ")
    assert repository.fingerprint() == before


@LONG
def test_the_bytes_that_were_not_brought_are_said(repository: Repository, three: Path) -> None:
    """A models/ that someone works in is not overwritten; the promotion stands."""
    (repository.folder / "models" / "oracle" / "golden.json").chmod(0o644)
    (repository.folder / "models" / "oracle" / "golden.json").write_text("mine")
    told = repository.promote_here(three, "--name", "oracle")
    assert told.revision == repository.git("rev-parse", "HEAD")
    assert "note       models/ in the work tree was not updated" in told.stderr
    assert (repository.folder / "models" / "oracle" / "golden.json").read_text() == "mine"
