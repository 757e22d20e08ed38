"""What runs confined, from an interpreter's first package on; and what a model is told of its walls."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry

from promote.errors import PromotionRefused
from promote.plan import Patience
from promote.rehearse import rehearse
from serve.errors import LoadFailed
from serve.metrics import Metrics
from serve.worker.command import Command
from serve.worker.confinement import Confinement, Sandbox, SandboxPolicy, start
from serve.worker.pool import Pool
from tests.integration.test_pool import LIMITS, answered, ask, command
from tests.models import HOSTILE, hostile, oracle

GRANTS = "worker.readable, worker.writable and worker.network grant more"
SHOWN = Path("/dev/shm")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A scratch folder."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


async def told(python: Path, code: str, place: Path, asked: Confinement | None = None) -> tuple[str, Sandbox]:
    """What `code` prints, run confined in `place` by `python`, and what is in force there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child, sandbox = await start(
            asked or Confinement(),
            [str(python), "-I", "-c", code],
            [(str(place), "write")],
            theirs.fileno(),
            place,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await child.communicate()
        assert child.returncode == 0
        return out.decode().strip(), await sandbox


@pytest.fixture
def environment(tmp_path: Path) -> tuple[Path, Path]:
    """An environment with a package that writes to a file as its interpreter starts, if it may; and that file."""
    folder, target = tmp_path / "environment", tmp_path / "written"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "eager.py").write_text(
        f"try:\n    open({str(target)!r}, 'w').write('was here')\nexcept OSError as error:\n    print(error.errno)\n"
    )
    (packages / "eager.pth").write_text("import eager\n")
    return folder / "bin" / "python", target


async def test_b11_not_even_what_a_package_does_as_its_interpreter_starts_is_unconfined(
    environment: tuple[Path, Path], place: Path
) -> None:
    python, target = environment
    refused, sandbox = await told(python, "pass", place)
    assert refused.isdigit()
    assert not target.exists()
    assert sandbox.landlock or sandbox.seccomp
    await told(python, "pass", place, Confinement(SandboxPolicy.OFF))
    assert target.read_text() == "was here"


async def test_a_process_has_its_scratch_folder_and_leaves_no_shared_memory(place: Path) -> None:
    code = """
import os, resource, tempfile
from multiprocessing import Lock, shared_memory
with tempfile.NamedTemporaryFile(dir="."):
    os.mkdir("a"), open("a/b", "w").write("c"), os.chmod("a/b", 0o600), os.rename("a/b", "d"), os.truncate("d", 0)
print(resource.getrlimit(resource.RLIMIT_CORE)[1], sorted(os.listdir(".")))
try:
    Lock(), os.open("/dev/shm/pinion-left", os.O_CREAT)
except PermissionError:
    pass  # where it has none of its own
"""
    printed, sandbox = await told(Path(sys.executable), code, place)
    assert printed == "0 ['a', 'd']"
    assert sorted(os.listdir(place)) == ["a", "d"]
    assert not (SHOWN / "pinion-left").exists()
    assert sandbox.policy == "auto"


async def test_shared_memory_that_is_granted_is_the_machine_s(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=SHOWN) as granted:
        code = f"""
open({granted + "/new"!r}, "w").write("was here")
try:
    open("/dev/shm/pinion-new", "w")
except OSError:
    print("no")
"""
        assert (await told(Path(sys.executable), code, place, Confinement(writable=(Path(granted),))))[0] == "no"
        assert os.listdir(granted) == ["new"]


async def test_an_interpreter_that_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    pool = Pool(
        replace(command(HOSTILE, tmp_path), python=tmp_path / "nowhere" / "python"),
        LIMITS,
        Metrics(CollectorRegistry()),
        batchable=True,
    )
    with pytest.raises(LoadFailed, match="nowhere/python can't be started"):
        await pool.start()


async def test_b11_a_model_that_needs_more_at_load_is_told_what_it_tried_and_what_grants_it(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    folder, state = hostile(tmp_path / "model", f"read {secret}"), tmp_path / "state"
    pool = Pool(command(folder, state), LIMITS, Metrics(CollectorRegistry()), batchable=True)
    with pytest.raises(LoadFailed) as refused:
        await pool.start()
    assert f"Permission denied: '{secret}'" in refused.value.message
    assert GRANTS in refused.value.message
    granted = replace(command(folder, state), confinement=Confinement(readable=(secret,)))
    pool = Pool(granted, LIMITS, Metrics(CollectorRegistry()), batchable=True)
    await pool.start()
    await pool.stop()


async def test_b11_a_promotion_rehearses_within_the_same_walls(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    asked = Command("hostile", "", HOSTILE, Path(sys.executable), threads=1, state=tmp_path / "state")
    body = {"dataframe_split": {"columns": ["way", "target"], "data": [["insist:read", str(secret)]]}}
    patience = Patience(60.0, 60.0, 60.0, 60.0)
    with pytest.raises(PromotionRefused) as refused:
        await rehearse(asked, body, patience)
    assert "PermissionError" in str(refused.value)
    assert str(secret) in str(refused.value)
    assert GRANTS in str(refused.value)
    await rehearse(replace(asked, confinement=Confinement(readable=(secret,))), body, patience)


async def test_c24_a_process_that_a_model_started_ends_with_it(tmp_path: Path) -> None:
    pool = Pool(
        command(oracle(tmp_path / "model", 2.0), tmp_path / "state"), LIMITS, Metrics(CollectorRegistry()), True
    )
    await pool.start()
    try:
        pid = int(pool.workers[0]["pid"])
        assert await ask(pool, 1.0, "orphan:600") == answered(1.0)
        (started,) = psutil.Process(pid).children()
    finally:
        await pool.stop()
    await asyncio.to_thread(psutil.wait_procs, [started], 10.0)
    assert not started.is_running()
