"""Rows B-6 to B-13: a release whose model fails at load, in whatever way, is refused, and the live one serves on."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from serve.artifact import pin
from serve.artifact.fetch import Store
from tests.chaos.conftest import MIB, SETTINGS, copied
from tests.chaos.limits import limited
from tests.chaos.load import Load
from tests.chaos.residue import no_residue
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.e2e.test_bad_releases import edit, pin_unrehearsed
from tests.forms import FULL, within

LOAD_TIMEOUT_SECONDS = 8.0

Spoil = Callable[[Path], object]


@dataclass(frozen=True)
class Serving:
    """A server with a good release, and the repository in which bad ones are pinned."""

    server: Server
    repository: Repository

    async def refuses(self, staged: Path, spoil: Spoil) -> tuple[str, float]:
        """What it says of the release made bad by `spoil`, and how many seconds after its bytes were verified."""
        server, repository = self.server, self.repository
        pinned = pin.read((repository.folder / "models.dvc").read_bytes()).models[0]
        shutil.copytree(Store(repository.folder, repository.state).snapshot(pinned), staged)
        make_writable(staged)
        spoil(staged)
        failures, verified = server.count("rollout failed"), server.count("verified")
        with no_residue(server):
            async with Load(server.url, rate=20, only=3.0) as load:
                await pin_unrehearsed(repository, staged)
                await server.seen("verified", count=verified + 1)
                began = time.monotonic()
                await server.seen("rollout failed", count=failures + 1)
                took = time.monotonic() - began
                await load.until(answered=5)
        load.require_nothing_lost()
        failed = server.wait("rollout failed", count=failures + 1)
        status = server.get("/models").json()
        assert status["failure"]["code"] == failed["code"]
        assert "Traceback" not in status["failure"]["message"]
        assert server.get("/health/ready").status_code == 200
        repository.checkout(1)
        return f"{failed['code']}: {failed['reason']}", took


def make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


@pytest.fixture(scope="module")
def serving(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    repository = copied(promoted, tmp_path_factory.mktemp("serving"))
    settings = {**SETTINGS, "worker__load_timeout_seconds": LOAD_TIMEOUT_SECONDS}
    with Server(repository.folder, repository.state, **settings).ready() as server:
        yield Serving(server, repository)


def at_load(fault: str) -> Spoil:
    return lambda folder: (folder / "model" / "data" / "on_load.txt").write_text(fault)


def in_code(old: str, new: str) -> Spoil:
    return lambda folder: edit(folder / "model" / "code" / "oracle.py", lambda code: code.replace(old, new))


def in_mlmodel(old: str, new: str) -> Spoil:
    return lambda folder: edit(folder / "model" / "MLmodel", lambda text: text.replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(at_load("raise"), "load_failed: model 'oracle' can't be loaded: ValueError", id="raises"),
        pytest.param(in_code("import ctypes", "import no_such"), "ModuleNotFoundError", id="imports", marks=FULL),
        pytest.param(in_mlmodel("loader_module: oracle", "loader_module: json"), "load_failed", id="other", marks=FULL),
        pytest.param(in_mlmodel("python_function", "no_flavor"), "", id="flavor", marks=FULL),
    ],
)
async def test_b6_an_exception_at_load_is_refused(serving: Serving, tmp_path: Path, spoil: Spoil, told: str) -> None:
    assert told in (await serving.refuses(tmp_path / "staged", spoil))[0]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("exit", "exited with code 0"),
        pytest.param("segv", "SIGSEGV", marks=FULL),
        pytest.param("abort", "SIGABRT", marks=FULL),
    ],
)
async def test_b7_a_death_at_load_is_refused(serving: Serving, tmp_path: Path, fault: str, told: str) -> None:
    assert told in (await serving.refuses(tmp_path / "staged", at_load(fault)))[0]


@pytest.mark.parametrize("fault", ["freeze", pytest.param("hang", marks=FULL), pytest.param("gil", marks=FULL)])
async def test_b8_a_hang_at_load_is_ended_in_time(serving: Serving, tmp_path: Path, fault: str) -> None:
    told, seconds = await serving.refuses(tmp_path / "staged", at_load(fault))
    assert f"did not load within {LOAD_TIMEOUT_SECONDS:g} seconds" in told
    assert seconds < LOAD_TIMEOUT_SECONDS + within(2.0)


@pytest.mark.parametrize("fault", ["daemon", pytest.param("fork", marks=FULL)])
async def test_b8_what_a_load_left_running_delays_nothing(serving: Serving, tmp_path: Path, fault: str) -> None:
    told, seconds = await serving.refuses(tmp_path / "staged", at_load(fault))
    assert "ended its process while loading" in told
    assert seconds < LOAD_TIMEOUT_SECONDS + within(2.0)


async def test_b9_memory_exhausted_at_load_ends_the_candidate_alone(serving: Serving, tmp_path: Path) -> None:
    with limited([serving.server.process.pid], 800 * MIB):
        assert "SIGKILL" in (await serving.refuses(tmp_path / "staged", at_load("oom:4096")))[0]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(in_code("* self.factor", "* 99.0"), "golden_mismatch", id="answers"),
        pytest.param(
            in_code("return answer if", "return answer.iloc[:1] if"), "golden_mismatch", id="rows", marks=FULL
        ),
        pytest.param(in_code("time.sleep(max(", "no_such(max("), "golden_mismatch", id="raises", marks=FULL),
        pytest.param(
            in_code("answer = pd.", "os._exit(3)\n        answer = pd."), "exited with code 3", id="dies", marks=FULL
        ),
    ],
)
async def test_b10_a_model_that_loads_and_answers_wrongly_is_refused(
    serving: Serving, tmp_path: Path, spoil: Spoil, told: str
) -> None:
    assert told in (await serving.refuses(tmp_path / "staged", spoil))[0]


@pytest.mark.parametrize("size", [8, pytest.param(1024, marks=FULL)])
async def test_b13_a_flood_on_stdout_blocks_nothing_and_the_log_stays_small(serving: Serving, size: int) -> None:
    before = len(serving.server.events)
    async with Load(serving.server.url, count=20, rate=10, faults={f"flood:{size // 4}": 0.2}, seed=5) as load:
        await load.over()
    load.require_nothing_lost()
    printed = [one["line"] for one in serving.server.events[before:] if one["event"] == "model printed"]
    assert 0 < sum(map(len, printed)) < MIB
