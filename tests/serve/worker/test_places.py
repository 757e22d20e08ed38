"""Which places an interpreter brings, and which no process is ever given."""

import os
import sys
from pathlib import Path

import pytest

from serve.worker.places import interpreter, system


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """An interpreter's installation, with somebody's file beside it."""
    (tmp_path / "installed" / "bin").mkdir(parents=True)
    (tmp_path / "installed" / "secret").touch()
    (tmp_path / "installed" / "bin" / "python3.11").touch()
    return tmp_path / "installed"


def granted(rules: list[tuple[str, str]], path: Path) -> set[str]:
    """What is granted for a path, by its own rules and those of the folders around it."""
    return {grant for place, grant in rules if path.is_relative_to(place)}


def test_a_virtual_environment_is_whole_and_of_its_installation_what_is_installed(
    tmp_path: Path, installed: Path
) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text(f"home = {installed / 'bin'}\nversion = 3.11.7\n")
    (tmp_path / "venv" / "bin" / "python").symlink_to(installed / "bin" / "python3.11")
    rules = interpreter(tmp_path / "venv" / "bin" / "python")
    for path in (tmp_path / "venv" / "pyvenv.cfg", installed / "bin" / "python3.11", installed / "lib" / "os.py"):
        assert granted(rules, path) == {"run"}
    assert granted(rules, installed / "secret") == granted(rules, tmp_path / "other") == set()


def test_a_link_to_an_interpreter_elsewhere_brings_its_installation_as_well(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "python").symlink_to(installed / "bin" / "python3.11")
    rules = interpreter(tmp_path / "usr" / "bin" / "python")
    assert granted(rules, installed / "lib" / "os.py") == granted(rules, tmp_path / "usr" / "lib" / "x.so") == {"run"}
    assert granted(rules, tmp_path / "usr" / "secret") == set()


def test_our_own_interpreter_may_run_and_read_its_library() -> None:
    rules = interpreter(Path(sys.executable))
    for path in (Path(os.path.realpath(sys.executable)), Path(os.__file__), Path(pytest.__file__)):
        assert "run" in granted(rules, path), path


@pytest.mark.parametrize("devices", [False, True])
def test_no_system_s_place_holds_what_is_anybody_s_own(devices: bool) -> None:
    rules = system(devices)
    for path in (
        "/",
        "/etc",
        "/etc/shadow",
        "/etc/ssl/private",
        "/proc",
        "/proc/1/environ",
        "/dev",
        "/dev/shm",
        "/tmp",
    ):
        assert granted(rules, Path(path)) == set(), path
    for path in ("/root/x", "/home/x", "/srv/x", "/var/x", "/run/x", "/opt/x", "/usr/src/x", "/mnt/x", "/work/x"):
        assert granted(rules, Path(path)) == set(), path
    assert {grant for _, grant in rules} == {"run", "read", "device"}
