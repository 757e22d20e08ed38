"""What `serve doctor` finds, of each thing that is really broken, and how it says to mend it."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from serve.artifact import fetch
from serve.artifact.fetch import PullLimits
from serve.artifact.trust import CommitPolicy, Trust
from serve.commands.checks import machine, models, repository
from serve.commands.checks.check import Check, Verdict
from serve.errors import SignatureMissing
from serve.settings import (
    ArtifactSettings,
    AuthSettings,
    HttpSettings,
    RecordSettings,
    Settings,
    TrustSettings,
    WorkerSettings,
)
from tests import pem
from tests.certificates import Authority
from tests.forms import FULL
from tests.packages import wheel
from tests.releases import Releases, Spec
from tests.serve.commands.test_commands import on, serve

MODEL = Spec(packages=("made==1.0",), python="3.12.1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """A repository with a release whose package the index has."""
    releases = Releases(tmp_path_factory.mktemp("doctor"))
    releases.release(a=MODEL)
    index = releases.root / "index"
    index.mkdir()
    wheel(index, "made")
    return releases


@pytest.fixture
def index(made: Releases, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that packages come from."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "PIP_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_FIND_LINKS", str(made.root / "index"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return made.root / "index"


def settings(made: Releases, state: str = "state", **groups: Any) -> Settings:
    return Settings(artifact=ArtifactSettings(repo=made.repo, state=made.root / state), **groups)


def obtainable(made: Releases, state: str) -> dict[str, Check]:
    pin, _ = repository.readable(made.repo)
    assert pin is not None
    return {one.name: one for one in asyncio.run(models.obtainable(settings(made, state), pin))}


def verdicts(checks: Iterator[Check]) -> dict[str, tuple[Verdict, str]]:
    return {one.name: (one.verdict, one.told) for one in checks}


def test_all_is_well_where_it_is(made: Releases, index: Path) -> None:
    done = on(made, "doctor", "--json", state="well", PINION_HTTP__PORT="0")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["serves"]) == (0, True), found
    named = [one["name"] for one in found["checks"]]
    machines = ["python", "git", "dvc", "uv", "settings", "port", "access", "state", "descriptors", "memory", "cores"]
    assert named == [*machines, "clock", "sandbox", "repository", "models.dvc", "HEAD", "remote", "environment"]
    assert not list((made.root / "well" / "scratch").glob("*"))


@FULL
def test_a_missing_object_is_named_and_what_the_index_lacks_too(
    made: Releases, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Releases(tmp_path)
    broken.release(a=MODEL)
    weights = max((broken.repo / "remote").rglob("??/*"), key=lambda one: one.stat().st_size)
    weights.unlink()
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    found = obtainable(broken, "state")
    assert (found["remote"].verdict, found["remote"].told) == (Verdict.BAD, "lacks models/a/model/weights.bin")
    assert "dvc push" in found["remote"].mend
    assert found["environment"].verdict is Verdict.BAD
    assert "made" in found["environment"].told
    assert "UV_DEFAULT_INDEX" in found["environment"].mend


@FULL
def test_a_remote_that_is_gone_and_one_that_nobody_trusts_are_told_apart(tmp_path: Path) -> None:
    gone = Releases(tmp_path)
    gone.release(a=MODEL)
    shutil.rmtree(gone.repo / "remote")
    found = obtainable(gone, "state")
    assert found["remote"].verdict is Verdict.BAD
    assert (
        found["remote"].told
        == f"the remote's folder {gone.repo / 'remote'} is not there, or has nothing in it: is it mounted?"
    )
    config = gone.repo / ".dvc" / "config"
    config.write_text(config.read_text().replace("../remote", str(tmp_path / "elsewhere")))
    found = obtainable(gone, "state")
    assert (found["remote"].verdict, "PINION_ARTIFACT__REMOTE" in found["remote"].mend) == (Verdict.BAD, True)


def test_a_state_folder_that_may_not_be_looked_into_is_said(made: Releases) -> None:
    found = obtainable(made, "x" * 300)
    assert (found["remote"].verdict, "File name too long" in found["remote"].told) == (Verdict.BAD, True)
    assert found["environment"].verdict is Verdict.BAD


def test_wrong_settings_end_it_at_once_with_the_setting_that_is_wrong(made: Releases) -> None:
    for variable, told in (("PINION_BATCH__MAX_ROWS", "batch.max_rows"), ("PINION_HTTP__PROT", "http.prot")):
        done = on(made, "doctor", "--json", **{variable: "-1"})
        last = json.loads(done.stdout)["checks"][-1]
        assert (done.exit_code, last["name"], last["verdict"]) == (1, "settings", "bad")
        assert told in last["told"]


def test_a_port_that_is_taken_is_said(made: Releases) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = verdicts(machine.ports(settings(made, http=HttpSettings(port=0, control_port=port))))
    assert found["port"][0] is Verdict.GOOD
    assert found["control port"] == (Verdict.BAD, f"127.0.0.1:{port} can't be listened on: Address already in use")


def test_a_state_folder_that_is_none_is_said(made: Releases) -> None:
    (made.root / "file").write_text("in its place")
    found = verdicts(machine.state(settings(made, "file/state")))
    assert found["state"][0] is Verdict.BAD


@pytest.mark.parametrize("options", ["size=64k", "size=16m", "size=8g,nr_inodes=2"], ids=["full", "small", "no inodes"])
def test_a_full_disk_is_said(made: Releases, tmp_path: Path, options: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs a small file system, and may not mount one here: {mounted.stderr.strip()}")
    try:
        (disk / "fill").write_bytes(b"\0" * 60_000)
        small = Settings(artifact=ArtifactSettings(repo=made.repo, state=disk / "state"))
        found = verdicts(machine.state(small))
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
    assert found["state"][0] is Verdict.BAD


def test_a_state_folder_on_a_read_only_disk_is_said_and_will_do_where_all_is_in_it(
    made: Releases, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount, and may not here: {mounted.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        still = Settings(artifact=ArtifactSettings(repo=made.repo, state=folder))
        assert verdicts(machine.state(still))["state"][0] is Verdict.BAD
        subprocess.run(["mount", "-o", "remount,rw,bind", folder], check=True)
        (folder / "snapshots" / "one").mkdir(parents=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        assert verdicts(machine.state(still))["state"][0] is Verdict.NOTE
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_files_that_are_not_there_are_named(made: Releases, tmp_path: Path) -> None:
    lost = tmp_path / "lost.pem"
    named = settings(made, trust=TrustSettings(keys=(lost,)), auth=AuthSettings(keys=tmp_path / "keys.txt"))
    found = verdicts(machine.files(named))
    assert (found["trust"], found["access"][0]) == ((Verdict.BAD, f"can't read {lost}"), Verdict.BAD)


def test_paths_that_models_are_granted_and_that_are_not_there_are_named(made: Releases, tmp_path: Path) -> None:
    assert not list(machine.granted(settings(made)))
    lost = tmp_path / "vocabulary"
    granted = settings(made, worker=WorkerSettings(readable=(tmp_path, lost)))
    assert verdicts(machine.granted(granted)) == {
        "granted": (Verdict.NOTE, f"{lost} can't be found: models can't use it")
    }
    lost.mkdir()
    assert verdicts(machine.granted(granted)) == {"granted": (Verdict.GOOD, "2 paths to read, 0 to write")}


def test_a_folder_that_recordings_can_not_be_written_to_is_said(made: Releases, tmp_path: Path) -> None:
    assert not list(machine.recording(settings(made)))
    place = tmp_path / "records"
    recorded = settings(made, record=RecordSettings(folder=place))
    assert verdicts(machine.recording(recorded)) == {"recording": (Verdict.GOOD, str(place))}
    assert not place.exists()
    place.write_text("in its place")
    told = f"{place} can't be written: nothing is recorded"
    assert verdicts(machine.recording(recorded)) == {"recording": (Verdict.NOTE, told)}


def test_a_default_model_that_is_not_pinned_is_said(made: Releases) -> None:
    pin, _ = repository.readable(made.repo)
    assert pin is not None
    assert not list(repository.default(None, pin))
    assert not list(repository.default("a", pin))
    found = verdicts(repository.default("b", pin))
    assert found == {"default": (Verdict.NOTE, "models.dvc pins no b: who names no model is answered 404")}


def test_a_model_is_judged_by_what_the_operator_asks_once_it_is_here(
    made: Releases, index: Path, tmp_path: Path
) -> None:
    pin, _ = repository.readable(made.repo)
    assert pin is not None
    asked = pem.key(tmp_path, "ada").public

    def trust(state: str) -> list[Check]:
        named = settings(made, state, trust=TrustSettings(keys=(asked,)))
        return [one for one in asyncio.run(models.obtainable(named, pin)) if one.name == "trust"]

    assert [(one.verdict, "not here yet" in one.told) for one in trust("elsewhere")] == [(Verdict.NOTE, True)]
    asyncio.run(fetch.fetch(made.store("asked"), pin, PullLimits(60)))
    assert [(one.verdict, one.told) for one in trust("asked")] == [(Verdict.BAD, SignatureMissing("a").message)]
    (made.store("asked").snapshot(pin.models[0]) / "model.sig").mkdir()
    assert [(one.verdict, "Is a directory" in one.told) for one in trust("asked")] == [(Verdict.BAD, True)]


@pytest.mark.parametrize(
    ("days", "verdict", "told"),
    [
        (-0.01, Verdict.BAD, "server ended on"),
        (7, Verdict.NOTE, "server ends on"),
        (90, Verdict.GOOD, "server ends on"),
    ],
)
def test_a_certificate_that_has_ended_or_soon_will_is_said(
    made: Releases, tmp_path: Path, days: float, verdict: Verdict, told: str
) -> None:
    certificate, key = Authority().issue("server", timedelta(days=days)).write(tmp_path, "server")
    found = verdicts(machine.files(settings(made, http=HttpSettings(tls_certificate=certificate, tls_key=key))))
    assert (found["certificate"][0], found["certificate"][1].startswith(told)) == (verdict, True)


def test_a_pin_that_no_verified_commit_has_is_said_where_that_is_asked(made: Releases) -> None:
    pin, _ = repository.readable(made.repo)
    assert pin is not None
    assert not list(repository.verified(made.repo, pin, Trust()))
    found = verdicts(repository.verified(made.repo, pin, Trust(commits=CommitPolicy.VERIFIED)))
    assert (found["commit"][0], "is not signed: git commit -S" in found["commit"][1]) == (Verdict.BAD, True)


def test_a_server_that_anybody_may_ask_is_noted(made: Releases) -> None:
    found = verdicts(machine.files(settings(made, http=HttpSettings(host="0.0.0.0"))))
    assert found["access"] == (Verdict.NOTE, "whoever reaches 0.0.0.0 may ask")


async def test_what_the_kernel_gives_is_tried_and_off_is_noted(made: Releases) -> None:
    found = await machine.sandbox(settings(made))
    assert "Landlock" in found.told
    assert found.verdict in (Verdict.GOOD, Verdict.NOTE)
    off = await machine.sandbox(settings(made, worker=WorkerSettings(sandbox="off")))
    assert off.verdict is Verdict.NOTE


@FULL
def test_too_few_descriptors_are_noted() -> None:
    command = ["prlimit", "--nofile=300:300", sys.executable, "-c", _DESCRIPTORS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("note 300 (at most 300)")


_DESCRIPTORS = """
from serve.commands.checks import machine
from serve.settings import Settings
found = next(iter(machine.resources(Settings())))
print(found.verdict, found.told)
"""


def test_no_repository_no_pin_and_a_broken_one_are_told_apart(tmp_path: Path) -> None:
    def found(folder: Path) -> list[tuple[str, Verdict]]:
        return [(one.name, one.verdict) for one in repository.readable(folder)[1]]

    assert found(tmp_path / "nowhere") == [("repository", Verdict.BAD)]
    assert found(tmp_path) == [("repository", Verdict.NOTE), ("models.dvc", Verdict.BAD)]
    (tmp_path / "models.dvc").write_text("outs: [")
    assert found(tmp_path) == [("repository", Verdict.NOTE), ("models.dvc", Verdict.BAD)]


def test_a_work_tree_that_is_not_heads_is_noted_as_a_rollback_or_as_nobodys(tmp_path: Path) -> None:
    made = Releases(tmp_path)
    first = made.release(a=MODEL)
    second = made.release(a=Spec(run="r2"))

    def head() -> Check:
        pin, _ = repository.readable(made.repo)
        assert pin is not None
        return next(iter(repository.committed(made.repo, pin)))

    assert (head().verdict, second[:12] in head().told) == (Verdict.GOOD, True)
    made.git("checkout", "--quiet", first, "--", "models.dvc")
    assert (head().verdict, first[:12] in head().told) == (Verdict.NOTE, True)
    pinned = made.repo / "models.dvc"
    pinned.write_text(pinned.read_text().replace("run: r1", "run: r9"))
    assert head().told == "no commit has the work tree's models.dvc"


def test_without_git_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = verdicts(machine.programs())
    assert (found["git"][0], found["uv"][0]) == (Verdict.BAD, Verdict.GOOD)


def test_what_is_drawn_says_the_same_and_how_to_mend_it(tmp_path: Path) -> None:
    done = serve("doctor", "--repo", str(tmp_path), PINION_HTTP__PORT="0")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("✗ models.dvc"))
    assert lines[at + 1].strip().startswith("→ promote a model")
    assert lines[-1].startswith("✗ 1 of ")
    assert os.fspath(tmp_path) in done.stdout
