"""B-2 to B-5: environments built by real uv, from an index that is a folder of packages made here."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from serve.artifact.lease import Leases
from serve.artifact.snapshot import Recipe, requirements
from serve.errors import EnvironmentFailed, MachineFailed, SnapshotUnreadable
from serve.worker import environment
from serve.worker.environment import EnvironmentPolicy
from tests import packages
from tests.chaos.residue import eventually
from tests.forms import forms
from tests.pulls.test_crashes import grow, small_disk

HERE = f"{sys.version_info.major}.{sys.version_info.minor}.0"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that uv may look for packages in, with nothing of an earlier test in its cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [one for one in os.environ if one.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def build(recipe: Recipe, state: Path, seconds: float = 60.0, **options: bool) -> Path:
    with Leases() as leases:
        return await environment.interpreter(recipe, state, EnvironmentPolicy.ISOLATED, seconds, leases, **options)


def value(python: Path, module: str) -> str:
    code = f"import {module}; print({module}.VALUE)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def compiled(state: Path) -> list[str]:
    """The modules that have bytecode, but for uv's own."""
    found = {path.name.split(".")[0] for path in state.glob("environments/*/lib/*/site-packages/__pycache__/*")}
    return sorted(found - {"_virtualenv"})


def hashed(*wheels: Path) -> Recipe:
    lines = [f"{one.name.split('-')[0]}=={one.name.split('-')[1]}" for one in wheels]
    recorded = [f"{line} --hash=sha256:{packages.sha256(one)}" for line, one in zip(lines, wheels, strict=True)]
    return Recipe(HERE, tuple(lines), tuple(recorded))


async def test_an_environment_has_what_its_recipe_says(index: Path, state: Path) -> None:
    packages.wheel(index, "one", content="VALUE = 7\n")
    assert value(await build(Recipe(HERE, ("one==1.0",)), state), "one") == "7"


async def test_where_a_package_finds_no_room_the_disk_is_told_and_not_the_index(index: Path, state: Path) -> None:
    packages.wheel(index, "one", content="#" * 2**21 + "\nVALUE = 7\n")
    with small_disk(state, 2**20):
        with pytest.raises(MachineFailed) as caught:
            await build(Recipe(HERE, ("one==1.0",)), state)
        assert caught.value.message == "the machine refused what this takes: No space left on device (uv pip install)"
        grow(state)
        assert value(await build(Recipe(HERE, ("one==1.0",)), state), "one") == "7"


async def test_packages_of_the_recorded_hashes_make_an_environment_of_their_own(index: Path, state: Path) -> None:
    recipe = hashed(packages.wheel(index, "one"))
    python = await build(recipe, state)
    assert value(python, "one") == "1"
    assert python != await build(Recipe(HERE, ("one==1.0",)), state)


async def test_the_servers_own_environment_is_of_no_recorded_hashes(index: Path, state: Path) -> None:
    recorded = hashed(packages.wheel(index, "one")).hashes
    assert environment.satisfied_here(Recipe(HERE, ()))
    with Leases() as leases:
        python = await environment.interpreter(Recipe(HERE, (), recorded), state, EnvironmentPolicy.AUTO, 60.0, leases)
    assert python != Path(sys.executable)
    assert value(python, "one") == "1"


@forms(2, 10)
async def test_b3_a_swapped_wheel_is_never_installed(index: Path, state: Path, times: int) -> None:
    recipe = hashed(packages.wheel(index, "one"), packages.wheel(index, "two"))
    for at in range(times):
        packages.wheel(index, "one", content=f"VALUE = {at + 2}\n")
        with pytest.raises(EnvironmentFailed, match=r"(?i)hash"):
            await build(recipe, state)
        left = list((state / "environments").glob("*/lib/*/site-packages/one.py"))
        assert left == []
    packages.wheel(index, "one")
    assert value(await build(recipe, state), "one") == "1"


async def test_b3_a_package_that_was_not_recorded_is_never_brought_in(index: Path, state: Path) -> None:
    one = packages.wheel(index, "one")
    needy = packages.wheel(index, "needy", needs="one==1.0")
    with pytest.raises(EnvironmentFailed, match=r"(?i)hash"):
        await build(hashed(needy), state)
    assert value(await build(hashed(needy, one), state), "one") == "1"


async def test_b3_with_the_index_down_what_was_built_serves_on(
    index: Path, state: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.wheel(index, "one")
    built = await build(Recipe(HERE, ("one==1.0",)), state)
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{closed_port}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(EnvironmentFailed, match="uv pip install failed"):
        await build(Recipe(HERE, ("two==1.0",)), state)
    assert await build(Recipe(HERE, ("one==1.0",)), state) == built


async def test_b3_an_index_that_never_answers_is_given_up_in_time(
    index: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        monkeypatch.delenv("UV_NO_INDEX")
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        with pytest.raises(EnvironmentFailed, match="uv pip install took longer than 3 seconds and was stopped"):
            await build(Recipe(HERE, ("two==1.0",)), state, 3.0)
    assert eventually(lambda: _builders(state) == [], 2.0)


async def test_b5_a_build_script_runs_only_where_the_operator_lets_it(index: Path, state: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    packages.source(index, "evil", canary)
    with pytest.raises(EnvironmentFailed, match=r"(?i)evil"):
        await build(Recipe(HERE, ("evil==1.0",)), state)
    assert not canary.exists()
    await build(Recipe(HERE, ("evil==1.0",)), state, from_source=True)
    assert canary.exists()  # so the canary would have sung


async def test_b5_nothing_of_a_package_runs_as_its_environment_is_made(
    index: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where its bytecode is made, which is there before the first model asks for it."""
    canary = tmp_path / "canary"
    monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
    packages.wheel(index, "one", starts=f"import pathlib; pathlib.Path({str(canary)!r}).touch()")
    packages.wheel(index, "two", content="no Python\n")
    python = await build(Recipe(HERE, ("one==1.0", "two==1.0")), state)
    assert compiled(state) == ["one"]
    assert not canary.exists()
    assert value(python, "one") == "1"
    assert canary.exists()  # so the canary would have sung


async def test_b5_where_the_server_was_started_no_configuration_is_taken_from(
    index: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository is where `serve` is often started: its uv.toml, pyproject.toml and .venv are not the operator's."""
    repository, elsewhere, canary = tmp_path / "repository", tmp_path / "elsewhere", tmp_path / "canary"
    (repository / ".venv" / "bin").mkdir(parents=True)
    elsewhere.mkdir()
    packages.wheel(elsewhere, "one", content="VALUE = 'elsewhere'\n")
    packages.wheel(index, "two")
    (repository / "uv.toml").write_text(f'find-links = ["{elsewhere}"]\n')
    (repository / "pyproject.toml").write_text('[tool.uv]\nfind-links = ["../elsewhere"]\n')
    (repository / ".venv" / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\nversion = {HERE}\n")
    python = repository / ".venv" / "bin" / "python"
    python.write_text(f"#!/bin/sh\ntouch '{canary}'\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    monkeypatch.chdir(repository)
    with pytest.raises(EnvironmentFailed, match="one"):
        await build(Recipe(HERE, ("one==1.0",)), state)
    assert value(await build(Recipe(HERE, ("two==1.0",)), state), "two") == "1"
    assert not canary.exists()


SMUGGLED = (
    "--index-url=https://evil.example/simple",
    "--extra-index-url https://evil.example/simple",
    "-i https://evil.example/simple",
    "--find-links /tmp/evil",
    "-f /tmp/evil",
    "-r other.txt",
    "--requirement other.txt",
    "-c constraints.txt",
    "-e .",
    "-e git+https://evil.example/evil",
    "--editable=./evil",
    "--pre",
    "--no-binary :all:",
    "--trusted-host evil.example",
    "evil @ https://evil.example/evil-1.0.whl",
    "evil@file:///tmp/evil-1.0.tar.gz",
    "evil @ git+https://evil.example/evil@main",
    "git+https://evil.example/evil#egg=evil",
    "https://evil.example/evil-1.0.tar.gz",
    "./evil-1.0.tar.gz",
    "/tmp/evil-1.0.tar.gz",
    "file:///tmp/evil",
    "evil==1.0 --hash=sha256:" + "0" * 64,
    "evil==1.0 --config-settings=x=y",
    "evil==1.0 --global-option=x",
    "evil==1.0; import os",
    "evil==1.0; __import__('os').system('touch canary') == 0",
    "evil==1.0 \\",
    "evil==1.0 # exact",
    "evil==${VERSION}",
    "${EVIL}==1.0",
    "evil==1.0; python_version > '${X}'",
    "evil==1.*",
    "evil===1.0",
    "evil===https://evil.example/",
    "evil>=1.0",
    "evil",
    "evil==1.0,<2",
    "evil==1.0\x00",
    "evil==1.0\r-e .",
    "evil==1.0\x0b-e .",
    "evil==1.0\u2028-e .",
    "еvil==1.0",  # noqa: RUF001  # its first letter is Cyrillic
    "evil==1.0\u200b",
    "evil==１.0",  # noqa: RUF001  # a digit of another script
    "evil==1.0+local/../../x",
    "-",
    "[evil]==1.0",
)


@pytest.mark.parametrize("line", SMUGGLED)
def test_b5_a_line_that_is_no_package_at_a_version_is_refused_before_uv_runs(tmp_path: Path, line: str) -> None:
    listed = tmp_path / "environment.txt"
    listed.write_bytes(f"one==1.0\n{line}\n".encode())
    with pytest.raises(SnapshotUnreadable, match=r"environment.txt"):
        requirements(listed)


BUILD = """
import asyncio, sys
from pathlib import Path
from serve.artifact.lease import Leases
from serve.artifact.snapshot import Recipe
from serve.worker import environment
recipe = Recipe(sys.argv[1], tuple(sys.argv[3:]))
policy = environment.EnvironmentPolicy.ISOLATED
asyncio.run(environment.interpreter(recipe, Path(sys.argv[2]), policy, 60.0, Leases()))
"""
PACKAGES = tuple(f"p{at:02}" for at in range(12))


@forms(2, 10)
def test_b4_a_build_killed_at_any_moment_is_made_anew(index: Path, tmp_path: Path, times: int) -> None:
    for name in PACKAGES:
        packages.wheel(index, name)
    recipe, chance = Recipe(HERE, tuple(f"{name}==1.0" for name in PACKAGES)), random.Random(times)
    command = [sys.executable, "-c", BUILD, HERE, "", *recipe.requirements]
    began = time.monotonic()
    subprocess.run([*command[:4], str(tmp_path / "whole"), *command[5:]], check=True)
    whole = time.monotonic() - began
    for at in range(times):
        state = tmp_path / f"state-{at}"
        builder = subprocess.Popen([*command[:4], str(state), *command[5:]])
        try:
            builder.wait(chance.uniform(0.3, 1.0) * whole)
        except subprocess.TimeoutExpired:
            builder.send_signal(signal.SIGKILL)
            builder.wait()
        python = asyncio.run(build(recipe, state))
        code = "; ".join(f"import {name}" for name in PACKAGES)
        subprocess.run([python, "-c", code], check=True)


def test_b4_a_uv_that_works_dies_with_who_started_it(index: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would go on in a folder that the next server builds anew; here it waits for an index that is silent."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        monkeypatch.delenv("UV_NO_INDEX")
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        builder = subprocess.Popen([sys.executable, "-c", BUILD, HERE, str(state), "two==1.0"])
        silent.settimeout(60.0)
        silent.accept()[0].close()  # it has come to asking
        assert len(_builders(state)) > 1
        builder.send_signal(signal.SIGKILL)
        builder.wait()
        assert eventually(lambda: _builders(state) == [], 2.0)


def _builders(state: Path) -> list[int]:
    """The processes that name the state folder among their arguments."""
    running = [(process.pid, process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [pid for pid, words in running if any(str(state) in word for word in words)]


async def test_b2_a_python_that_is_not_here_and_may_not_be_fetched_is_named_soon(
    index: Path, state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", "/nowhere")
    began = time.monotonic()
    with pytest.raises(EnvironmentFailed, match=r"the model needs Python 3\.9, which is not on this machine"):
        await build(Recipe("3.9.1", ()), state)
    assert time.monotonic() - began < 20
    assert not list((tmp_path / "pythons").glob("cpython*"))
