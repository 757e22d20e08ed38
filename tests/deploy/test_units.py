"""The units of systemd are such that it takes, and leave little open; what the sandbox takes they do not close."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.forms import FULL, needs

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
pytestmark = [FULL, needs("systemd-analyze")]
_MOST_EXPOSED = 2.5


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, whose server is where this machine has a program."""
    for one in UNITS.iterdir():
        (tmp_path / one.name).write_text(one.read_text().replace("/opt/pinion/bin/serve", "/bin/true"))
    return tmp_path


def test_systemd_takes_every_unit(units: Path) -> None:
    paths = sorted(str(one) for one in units.iterdir())
    assert len(paths) == 5
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["pinion.service", "pinion-follow.service"])
def test_what_a_service_leaves_open_is_little(units: Path, name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(units / name)]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found is not None, told
    assert float(found[1]) <= _MOST_EXPOSED


def test_the_kernels_means_of_the_sandbox_are_let_through() -> None:
    """Names of groups that this systemd does not know are no help: each call is asked for."""
    text = (UNITS / "pinion.service").read_text()
    groups = re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE)
    allowed = set[str]()
    for word in " ".join(groups).split():
        allowed |= _calls(word) if word.startswith("@") else {word}
    needed = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp", "prctl"}
    assert needed | {"unshare", "mount", "mount_setattr", "execve"} <= allowed
    namespaces = re.findall(r"^RestrictNamespaces=(.*)$", text, re.MULTILINE)
    assert namespaces == ["user mnt net ipc"]


def _calls(group: str) -> set[str]:
    done = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    found = set[str]()
    for word in re.findall(r"^\s+(\S+)", done.stdout, re.MULTILINE):
        found |= _calls(word) if word.startswith("@") else {word}
    return found
