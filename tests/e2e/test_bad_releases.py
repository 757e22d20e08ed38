"""A release that fails, in whatever way, leaves the old one serving, and says why."""

import re
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from serve.artifact import dvc, pin, verify
from serve.artifact.fetch import Store
from tests.chaos.load import Load
from tests.e2e import metrics
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
    async with dvc.checkout(repository.folder, repository.state) as scratch:
        shutil.copytree(staged, scratch.folder / pin.FOLDER / "oracle")
        await dvc.run(scratch, "add", pin.FOLDER, timeout_seconds=60)
        await dvc.run(scratch, "push", pin.FILENAME, timeout_seconds=60)
        added = pin.read_out((scratch.folder / pin.FILENAME).read_bytes())
    model = pin.PinnedModel("oracle", verify.tree_digest(verify.manifest(staged)))
    (repository.folder / pin.FILENAME).write_bytes(pin.write(replace(added, models=(model,))))


class Steady:
    """A server at promotion 1 that shrugs off one bad release after the other."""

    def __init__(self, repository: Repository, server: Server) -> None:
        self.repository, self.server = repository, server

    async def require_refused(self, spoil: Callable[[], Awaitable[None]], code: str, told: str) -> None:
        """What `spoil` makes of the pin is refused for this reason, and costs nobody an answer."""
        server, before = self.server, self.server.model()["digest"]
        failures, lives = server.count("rollout failed"), server.count("release live")
        async with Load(server.url, rate=20, only=3.0) as load:
            await spoil()
            await server.seen("rollout failed", failures + 1, seconds=30.0)
            failed = server.wait("rollout failed", failures + 1)
            assert (failed["code"], told in failed["reason"]) == (code, True), failed["reason"]
            models = server.get("/models").json()
            assert models["failure"]["code"] == code
            assert models["live"] == {"oracle": before} != models["desired"]
            assert server.get("/health/ready").status_code == 200
            assert metrics.value(server, "pinion_rollouts_total", outcome=code) >= 1
            await load.until(answered=10)
        load.require_nothing_lost()
        self.repository.checkout(1)
        await server.seen("release live", lives + 1)
        assert server.get("/models").json()["failure"] is None


@pytest.fixture(scope="module")
def steady(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steady]:
    folder = tmp_path_factory.mktemp("steady") / "repo"
    shutil.copytree(promoted.folder, folder, symlinks=True)
    repository = Repository(folder, promoted.revisions, promoted.state)
    repository.checkout(1)
    with Server(repository.folder, repository.state).ready() as server:
        yield Steady(repository, server)


@pytest.mark.parametrize("spoil", REASONS, ids=lambda spoil: spoil.__name__)
async def test_d3_a_release_that(steady: Steady, tmp_path: Path, spoil: Spoil) -> None:
    staged, repository = tmp_path / "staged", steady.repository
    pinned = pin.read((repository.folder / "models.dvc").read_bytes()).models[0]
    shutil.copytree(Store(repository.folder, repository.state).snapshot(pinned), staged)
    for path in (staged, *staged.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    spoil(staged)
    await steady.require_refused(lambda: pin_unrehearsed(repository, staged), *REASONS[spoil])


def says_another_digest(repository: Repository) -> None:
    edit(repository.folder / "models.dvc", lambda text: re.sub("sha256:.*", "sha256:" + "0" * 64, text))


def names_what_nobody_has(repository: Repository) -> None:
    repository.checkout(0)
    edit(repository.folder / "models.dvc", lambda text: re.sub(r"md5: [0-9a-f]+", "md5: " + "0" * 32, text))


def lacks_a_file(repository: Repository) -> None:
    _factor(repository).unlink()
    repository.checkout(0)


def was_altered(repository: Repository) -> None:
    edit(_factor(repository), lambda text: text.replace("2", "7"))
    repository.checkout(0)


def is_partly_another(repository: Repository) -> None:
    shutil.copy(repository.remote_object_of("factor.txt"), _factor(repository))
    repository.checkout(0)


def _factor(repository: Repository) -> Path:
    """The remote's object that tells promotion 0 from 1; writable."""
    repository.checkout(0)
    found = repository.remote_object_of("factor.txt")
    repository.checkout(1)
    found.chmod(0o644)
    return found


PINS: dict[Callable[[Repository], None], tuple[str, str]] = {
    was_altered: ("pull_failed", "factor"),
    is_partly_another: ("pull_failed", "factor"),
    lacks_a_file: ("pull_failed", "No such file"),
    names_what_nobody_has: ("pull_failed", f"neither the cache nor the remote has {'0' * 32}.dir: push it"),
    says_another_digest: ("digest_mismatch", "model 'oracle' is not what was pinned"),
}


async def test_d3_a_pin_whose_artifact_is_not_what_it_says(cold: Repository) -> None:
    with Server(cold.folder, cold.state).ready() as server:
        for spoil, (code, told) in PINS.items():

            async def spoiled(spoil: Callable[[Repository], None] = spoil) -> None:
                spoil(cold)

            await Steady(cold, server).require_refused(spoiled, code, told)
