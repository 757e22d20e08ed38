"""A release that fails, in whatever way, leaves the old one serving, and says why."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from serve.artifact import dvc, pin, verify
from serve.artifact.fetch import Store
from tests.e2e.conftest import Repository
from tests.e2e.server import Server

Spoil = Callable[[Path], None]


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.chmod(0o644)
    path.write_text(change(path.read_text()))


def fails_at_load(folder: Path) -> None:
    (folder / "model" / "data" / "on_load.txt").write_text("raise")


def exits_at_load(folder: Path) -> None:
    (folder / "model" / "data" / "on_load.txt").write_text("exit")


def crashes_at_load(folder: Path) -> None:
    (folder / "model" / "data" / "on_load.txt").write_text("segv")


def answers_differently(folder: Path) -> None:
    edit(folder / "model" / "data" / "factor.txt", lambda _: "99")


def lacks_a_module(folder: Path) -> None:
    edit(folder / "model" / "code" / "oracle.py", lambda code: "import no_such_module\n" + code)


def wants_no_such_package(folder: Path) -> None:
    edit(folder / "environment.txt", lambda lines: lines + "no-such-package-of-pinion==1.0\n")


def wants_no_such_python(folder: Path) -> None:
    edit(folder / "model" / "python_env.yaml", lambda text: text.replace("3.11.7", "3.99.1"))


def smuggles_a_requirement(folder: Path) -> None:
    edit(folder / "environment.txt", lambda lines: "--index-url=file:///tmp\n" + lines)


def has_no_golden(folder: Path) -> None:
    (folder / "golden.json").unlink()


def has_no_mlmodel(folder: Path) -> None:
    (folder / "model" / "MLmodel").unlink()


def refuses_its_golden_request(folder: Path) -> None:
    edit(folder / "model" / "MLmodel", lambda text: text.replace('"name": "x"', '"name": "z"'))


REASONS: dict[Spoil, tuple[str, str]] = {
    fails_at_load: ("load_failed", "ValueError"),
    exits_at_load: ("load_failed", "exited with code 0"),
    crashes_at_load: ("load_failed", "SIGSEGV"),
    answers_differently: ("golden_mismatch", "predictions[0].factor was 3.0 at promotion and is 99.0 now"),
    lacks_a_module: ("load_failed", "no_such_module"),
    wants_no_such_package: ("environment_failed", "no-such-package-of-pinion"),
    wants_no_such_python: ("environment_failed", "Python 3.99"),
    smuggles_a_requirement: ("snapshot_unreadable", "is not name==version"),
    has_no_golden: ("snapshot_unreadable", "golden.json"),
    has_no_mlmodel: ("snapshot_unreadable", "MLmodel"),
    refuses_its_golden_request: ("golden_mismatch", "lacks the column 'z'"),
}


async def pin_unrehearsed(repository: Repository, staged: Path) -> None:
    """Pin a spoilt folder, past the gate that would refuse it; models.dvc alone changes, as on a checkout."""
    with dvc.checkout(repository.folder, repository.state) as scratch:
        shutil.copytree(staged, scratch.folder / pin.FOLDER / "oracle")
        await dvc.run(scratch, "add", pin.FOLDER, timeout_seconds=60)
        await dvc.run(scratch, "push", pin.FILENAME, timeout_seconds=60)
        added = pin.read_out((scratch.folder / pin.FILENAME).read_bytes())
    model = pin.PinnedModel("oracle", verify.tree_digest(verify.manifest(staged)))
    (repository.folder / pin.FILENAME).write_bytes(pin.write(replace(added, models=(model,))))


@pytest.mark.parametrize("spoil", REASONS, ids=lambda spoil: spoil.__name__)
async def test_a_release_that(repository: Repository, tmp_path: Path, spoil: Spoil) -> None:
    staged = tmp_path / "staged"
    pinned = pin.read((repository.folder / "models.dvc").read_bytes()).models[0]
    shutil.copytree(Store(repository.folder, repository.state).snapshot(pinned), staged)
    for path in (staged, *staged.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    spoil(staged)
    code, told = REASONS[spoil]
    with Server(repository.folder, repository.state).ready() as server:
        before = server.model()["digest"]
        await pin_unrehearsed(repository, staged)
        failed = server.wait("rollout failed")
        assert (failed["code"], told in failed["reason"]) == (code, True), failed["reason"]
        assert server.get("/health/ready").status_code == 200
        assert server.predict({"inputs": {"x": [1.0]}}).json() == {"predictions": [{"y": 3.0, "factor": 3.0}]}
        told_models = server.get("/models").json()
        assert told_models["failure"]["code"] == code
        assert told_models["live"] == {"oracle": before} != told_models["desired"]
        assert f'pinion_rollouts_total{{outcome="{code}"}}' in server.get("/metrics").text
        repository.checkout(1)
        server.wait("release live", count=2)
        assert server.get("/models").json()["failure"] is None
