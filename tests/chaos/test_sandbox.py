"""Rows B-11, C-22 and C-24: a model that tries every way out of a real server, run by root and by nobody."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.chaos.conftest import copied, with_its_own_environments
from tests.chaos.residue import eventually
from tests.e2e.conftest import Repository, promote
from tests.e2e.nobody import as_nobody, give
from tests.e2e.server import SERVE, Server
from tests.forms import FULL, within
from tests.models import HOSTILE

LESSER_KERNEL = [sys.executable, str(Path(__file__).parents[1] / "e2e" / "lesser_kernel.py")]
SECRET = "a-secret-of-the-servers"
SETTINGS = {"rollout__hold_seconds": 0, "worker__load_timeout_seconds": 120}


@dataclass(frozen=True)
class Outside:
    """What lies outside of the model's process, for it to reach."""

    repository: Repository
    canary: Path
    shared: Path
    tcp: int
    udp: int
    local: Path
    abstract: str
    datagram: Path

    def ways(self, server: Server) -> list[tuple[str, str]]:
        """Each a way and what to reach by it; none may lead anywhere."""
        state, hostile, oracle = self.repository.state, *(self.snapshot(server, one) for one in ("hostile", "oracle"))
        canary, front, sibling = str(self.canary), str(server.process.pid), str(min(server.pids()))
        return [
            *(("read", str(path)) for path in (canary, "/etc/shadow", self.repository.folder / "models.dvc")),
            *(("read", str(path)) for path in (oracle / "MLmodel", self.shared, "/dev/kmsg")),
            *(("read", f"/proc/{pid}/{name}") for pid in (front, sibling) for name in ("environ", "cmdline", "maps")),
            *(("list", str(path)) for path in (state, "/", "/tmp", "/proc", "/dev/shm/..", f"/proc/{front}/fd")),
            *((way, canary) for way in ("append", "remove", "mode", "date", "symlink", "hardlink", "round", "memfd")),
            *((way, str(hostile / "MLmodel")) for way in ("append", "remove", "mode", "date")),
            *(("write", str(path)) for path in (state / "new", self.canary.with_name("new"), "/tmp/pinion-was-here")),
            ("mode", str(state)),
            *((way, pid) for way in ("memory", "peek", "trace", "descriptor") for pid in (front, sibling)),
            *((way, pid) for way in ("signal", "limit", "nice", "pin") for pid in (front, sibling)),
            *((way, "") for way in ("device", "handle", "survive", "leave", "bind", "netlink", "root", "mount")),
            *((way, "") for way in ("isolate", "clone", "clone3", "type", "run")),
            *(("call", name) for name in ("io_uring_setup", "bpf", "userfaultfd", "perf_event_open", "add_key")),
            *(("call", name) for name in ("setns", "fsopen", "reboot")),
            *(("tcp", str(port)) for port in (self.tcp, server.url.rpartition(":")[2])),
            *(("udp", str(self.udp)), ("local", str(self.local)), ("local", f"@{self.abstract}")),
            ("datagram", str(self.datagram)),
            ("python", f"print(open({canary!r}).read())"),
        ]

    def snapshot(self, server: Server, name: str) -> Path:
        digest = server.model(name)["digest"].removeprefix("sha256:")
        return self.repository.state / "snapshots" / digest / "model"

    def fingerprint(self) -> tuple[object, ...]:
        """What no model may change."""
        state, found = self.repository.state, self.canary.stat()
        files = sorted(path for path in (state / "snapshots").rglob("*") if path.is_file())
        names = sorted(path.name for place in (state, self.canary.parent) for path in place.iterdir())
        modes = [(path.stat().st_mode, path.stat().st_mtime, path.read_bytes()) for path in files]
        return (self.canary.read_text(), found.st_mode, found.st_mtime, state.stat().st_mode, names, modes)


def attempt(server: Server, ways: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What came of each."""
    inputs = {"way": [way for way, _ in ways], "target": [target for _, target in ways]}
    told = server.predict({"inputs": inputs}, "/models/hostile/predict")
    assert told.status_code == 200, told.text
    return dict(zip(ways, [row["came"] for row in told.json()["predictions"]], strict=True))


def table(came: dict[tuple[str, str], str]) -> str:
    return "\n".join(f"{way:<11} {target[-60:]:<60} {told}" for (way, target), told in came.items())


@contextlib.contextmanager
def open_to_all() -> Iterator[Path]:
    """A folder that everybody may enter, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="pinion-sandbox-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def released(promoted: Repository) -> Iterator[Repository]:
    """A release of the oracle and the hostile model, pulled and verified, with their environment."""
    with open_to_all() as root:
        one = with_its_own_environments(copied(promoted, root))
        promote(one.folder, one.state, HOSTILE, "hostile")
        variables = {**os.environ, "PINION_ARTIFACT__STATE": str(one.state)}
        subprocess.run([SERVE, "prepare", "--repo", str(one.folder)], env=variables, check=True, capture_output=True)
        yield one


@pytest.fixture
def outside(released: Repository) -> Iterator[Outside]:
    """Beside the canary a folder that may be granted, and what listens for whoever comes."""
    with contextlib.ExitStack() as opened:
        root = opened.enter_context(open_to_all())
        shutil.copytree(released.folder, root / "repo", symlinks=True)
        shutil.copytree(released.state / "snapshots", root / "state" / "snapshots", symlinks=True)
        (root / "state" / "environments").symlink_to(released.state / "environments")
        for name in ("own", "granted"):
            (root / name).mkdir()
        (root / "own" / "canary").write_text(SECRET)
        shared = opened.enter_context(tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="pinion-canary-"))
        os.chmod(shared.name, 0o666)
        tcp, udp, local, abstract, datagram = (
            opened.enter_context(socket.socket(family, kind))
            for family, kind in (
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_INET, socket.SOCK_DGRAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_DGRAM),
            )
        )
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        local.bind(str(root / "own" / "socket"))
        abstract.bind(f"\0pinion-{os.getpid()}")
        datagram.bind(str(root / "own" / "datagrams"))
        for listener in (tcp, local, abstract):
            listener.listen()
        yield Outside(
            Repository(root / "repo", released.revisions, root / "state"),
            root / "own" / "canary",
            Path(shared.name),
            tcp.getsockname()[1],
            udp.getsockname()[1],
            root / "own" / "socket",
            f"pinion-{os.getpid()}",
            root / "own" / "datagrams",
        )


def serving(outside: Outside, before: Callable[[], list[str]] = list, lacking: str = "", **settings: Any) -> Server:
    """A server run by root, or `as_nobody`, to whom all outside belongs then; on a kernel that may be `lacking`."""
    if before is as_nobody:
        give(outside.canary.parents[1])
    lesser = [*LESSER_KERNEL, lacking] if lacking else []
    command = [*before(), *lesser]
    return Server(outside.repository.folder, outside.repository.state, before=command, **{**SETTINGS, **settings})


ROOT = pytest.param(list, id="root", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))
NOBODY = pytest.param(as_nobody, id="nobody")


@pytest.mark.parametrize("before", [ROOT, NOBODY])
def test_b11_no_way_out_of_a_models_process_leads_anywhere(
    outside: Outside, before: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside that, what is in force is in the log and in /models, and what a model forked dies with it (C-24)."""
    monkeypatch.setenv("CANARY_SECRET", SECRET)
    with serving(outside, before).ready() as server:
        workers, ways, untouched = server.pids() | server.pids("hostile"), outside.ways(server), outside.fingerprint()
        came = attempt(server, ways)
        print(table(came))  # noqa: T201  # for the record
        assert [one for one, told in came.items() if not told.startswith("denied: ")] == [], table(came)
        assert len(came) == len(ways) > 60
        assert outside.fingerprint() == untouched
        assert server.pids() | server.pids("hostile") == workers
        in_force = server.model("hostile")["sandbox"]
        assert in_force["landlock"] >= 1
        assert in_force["seccomp"] is True
        assert (in_force["network"], in_force["open"]) == ("none", [])
        assert server.wait("sandbox", model="hostile", landlock=in_force["landlock"], open=[])
        forked = int(attempt(server, [("fork", "")])["fork", ""].removeprefix("got: "))
        assert psutil.pid_exists(forked)
        psutil.Process(min(server.pids("hostile"))).kill()
        assert eventually(lambda: not psutil.pid_exists(forked), within(2.0))
        assert SECRET not in server.get("/models").text
        assert server.stop() == 0


@pytest.mark.parametrize("before", [ROOT, pytest.param(as_nobody, id="nobody", marks=FULL)])
def test_b11_unconfined_the_same_ways_lead_out(outside: Outside, before: Callable[[], list[str]]) -> None:
    """So the attempts are real; and that nothing is in force is said."""
    harmless = {"read", "symlink", "round", "signal", "tcp", "udp", "bind", "netlink", "local", "leave", "memfd"}
    harmless |= {"run", "python", "limit", "clone3", "clone", "datagram"}
    refused_to_all = {"/etc/shadow", "/dev/kmsg"}  # but to root
    with serving(outside, before, worker__sandbox="off").ready() as server:
        ways = [one for one in outside.ways(server) if one[0] in harmless and one[1] not in refused_to_all]
        came = attempt(server, ways)
        assert [one for one, told in came.items() if not told.startswith("got: ")] == [], table(came)
        assert server.wait("sandbox", model="hostile")["level"] == "warning"
        assert server.model("hostile")["sandbox"]["open"] == ["it may do what the server's user may"]


@pytest.mark.parametrize(
    ("before", "lacking", "told", "ways_out", "ways_closed"),
    [
        pytest.param(
            list, "landlock", "no Landlock", {"signal"}, {"tcp", "local", "mode", "write", "memory", "leave"},
            id="no-landlock", marks=ROOT.marks,
        ),
        pytest.param(
            as_nobody, "unshare", "no namespaces", {"mode", "date"}, {"tcp", "local", "read", "write", "memory"},
            id="in-a-container", marks=FULL,
        ),
        pytest.param(
            list, "seccomp", "no seccomp", {"leave"}, {"tcp", "read", "write", "memory", "mode"},
            id="no-seccomp", marks=[*ROOT.marks, FULL],
        ),
    ],
)  # fmt: skip
def test_b11_what_a_kernel_does_not_give_is_said_and_the_rest_is_in_force(
    outside: Outside,
    before: Callable[[], list[str]],
    lacking: str,
    told: str,
    ways_out: set[str],
    ways_closed: set[str],
) -> None:
    with serving(outside, before, lacking).ready() as server:
        said = server.wait("sandbox", model="hostile")
        assert said["level"] == "warning"
        assert server.model("hostile")["sandbox"]["open"] == said["open"]
        assert any(words.startswith(told) for words in said["open"])
        sibling = ("memory", str(min(server.pids())))  # which is as unprivileged, and has no other wall around it
        ways = [one for one in outside.ways(server) if one[0] in ways_out | ways_closed and one != sibling]
        came = attempt(server, ways)
        assert {way for (way, _), what in came.items() if what.startswith("got: ")} - {"read", "list"} == ways_out
        assert all(what.startswith("denied: ") for (way, _), what in came.items() if way in ways_closed), table(came)


def test_b11_where_a_sandbox_is_required_and_not_to_be_had_no_release_goes_live(outside: Outside) -> None:
    with serving(outside, lacking="landlock", worker__sandbox="required") as server:
        failed = server.wait("rollout failed")
        assert failed["code"] == "sandbox_failed"
        assert "the kernel has no Landlock to offer: use Linux 5.13 or newer" in failed["reason"]


def test_b11_what_an_operator_grants_is_granted_and_no_more(outside: Outside) -> None:
    own, canary, granted = outside.canary.parent, str(outside.canary), outside.canary.parents[1] / "granted"
    settings = {"network": "true", "readable": f'["{own}"]', "writable": f'["{granted}"]'}
    ways = {
        ("tcp", str(outside.tcp)): "got",
        ("read", canary): "got",
        ("write", str(granted / "new")): "got",
        ("write", canary): "denied",
        ("mode", canary): "denied",
        ("write", str(outside.repository.state / "new")): "denied",
        ("list", "/"): "denied",
        ("signal", "1"): "denied",
    }
    with serving(outside, **{f"worker__{name}": value for name, value in settings.items()}).ready() as server:
        came = attempt(server, list(ways))
        assert {one: told.split(":")[0] for one, told in came.items()} == ways, table(came)
        assert (granted / "new").read_text() == "was here"
        assert server.model("hostile")["sandbox"]["network"] == "granted"
