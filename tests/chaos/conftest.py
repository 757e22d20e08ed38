"""A repository with two promotions of the oracle, made once; servers with two workers, abused by many tests in turn."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.residue import eventually
from tests.e2e.conftest import Repository, repository_in, two_promotions
from tests.e2e.server import Server

__all__ = ["two_promotions"]

MIB = 2**20
# Short enough for tests to wait for; long enough for two cores that do other things as well.
PREDICT_TIMEOUT_SECONDS, HEARTBEAT_SECONDS, MAX_ANSWER_BYTES = 1.5, 1.0, MIB
SETTINGS = {
    "worker__count": 2,
    "worker__predict_timeout_seconds": PREDICT_TIMEOUT_SECONDS,
    "worker__heartbeat_seconds": HEARTBEAT_SECONDS,
    "worker__max_answer_bytes": MAX_ANSWER_BYTES,
}


@pytest.fixture(scope="session", autouse=True)
def _temp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temp files of these tests' servers go into a folder where nobody else's are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temp")))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="session")
def promoted(two_promotions: Path) -> Repository:
    """Promotions 0 and 1 of the oracle, with factors 2 and 3; every test takes a copy."""
    return repository_in(two_promotions)


@pytest.fixture
def repository(promoted: Repository, tmp_path: Path) -> Repository:
    """A copy for one test, at promotion 1, with a state folder of its own."""
    return copied(promoted, tmp_path)


@pytest.fixture
def server(repository: Repository) -> Iterator[Server]:
    """A server of two workers for one test, ready."""
    with Server(repository.folder, repository.state, **SETTINGS).ready() as one:
        yield one


class Standing:
    """A server of two workers that outlives a test; where one did not recover, the next test gets another."""

    def __init__(self, promoted: Repository, root: Path) -> None:
        self._repository = copied(promoted, root)
        self._opened = ExitStack()
        self._server = self._started()

    def get(self) -> Server:
        if not whole(self._server):
            self.close()
            self._server = self._started()
        return self._server

    def close(self) -> None:
        self._opened.close()

    def _started(self) -> Server:
        return self._opened.enter_context(Server(self._repository.folder, self._repository.state, **SETTINGS)).ready()


@pytest.fixture(scope="module")
def standing(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    one = Standing(promoted, tmp_path_factory.mktemp("standing"))
    yield one
    one.close()


@pytest.fixture
def abused(standing: Standing) -> Server:
    """A server of two workers, ready, that other tests have abused before."""
    return standing.get()


def copied(promoted: Repository, root: Path) -> Repository:
    """A copy in `root`, at promotion 1, with a state folder of its own but the environments, which none changes."""
    shutil.copytree(promoted.folder, root / "repo", symlinks=True)
    shutil.copytree(promoted.state, root / "state", symlinks=True, ignore=shutil.ignore_patterns("environments"))
    (root / "state" / "environments").symlink_to(promoted.state / "environments")
    one = Repository(root / "repo", promoted.revisions, root / "state")
    one.checkout(1)
    return one


def with_its_own_environments(copy: Repository) -> Repository:
    folder = copy.state / "environments"
    shared = folder.resolve()
    folder.unlink()
    shutil.copytree(shared, folder, symlinks=True)
    return copy


def whole(server: Server, seconds: float = 20.0) -> bool:
    """Whether the server lives, and all its workers come to be ready."""
    if server.process.poll() is not None:
        return False
    return eventually(lambda: all(one["state"] == "ready" for one in server.model()["workers"]), seconds)


# Long enough for honest callers beside other tests on two cores; no more than a test can wait for.
SHORT = {"http__header_timeout_seconds": 1.5, "http__body_timeout_seconds": 2.0, "http__write_timeout_seconds": 2.0}
LARGEST = 12 * MIB


@dataclass(frozen=True)
class Abused:
    """A server, and how long it lets headers, bodies and answers take."""

    server: Server
    header_seconds: float
    body_seconds: float
    write_seconds: float

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def pid(self) -> int:
        return self.server.process.pid


@pytest.fixture(scope="module")
def quick(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abused]:
    repository = copied(promoted, tmp_path_factory.mktemp("quick"))
    settings = {**SHORT, "worker__count": 2, "http__max_rows": 10**6, "http__max_body_bytes": LARGEST}
    with Server(repository.folder, repository.state, **settings).ready() as one:
        yield Abused(one, *SHORT.values())


@pytest.fixture(scope="module")
def usual(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abused]:
    repository = copied(promoted, tmp_path_factory.mktemp("usual"))
    with Server(repository.folder, repository.state, worker__count=2, http__max_rows=10**6).ready() as one:
        yield Abused(one, 5.0, 30.0, 30.0)


@pytest.fixture
def http(request: pytest.FixtureRequest) -> Abused:
    found: Abused = request.getfixturevalue(request.param)
    return found
