"""The units under systemd itself, booted beside this machine: hardened as they are, Pinion serves, and is restarted."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.chaos.residue import eventually
from tests.e2e.conftest import Repository, promoted, repository, state  # noqa: F401  # its fixtures
from tests.e2e.server import SERVE
from tests.forms import FULL, needs, within

DEPLOY = Path(__file__).parents[2] / "deploy"
_SPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child")
pytestmark = [
    FULL,
    pytest.mark.timeout(1800),
    needs("unshare", "nsenter", "ip", "curl", "/lib/systemd/systemd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to boot systemd"),
]


class Machine:
    """A booted systemd."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def run(self, *command: str) -> str:
        first = psutil.Process(self._process.pid).children()[0].pid
        entered = ["nsenter", "-t", str(first), "-m", "-p", "-n", "-C", "-i", "-u", "-r", "-w", *command]
        return subprocess.run(entered, capture_output=True, text=True, timeout=600).stdout.strip()

    def shows(self, name: str) -> str:
        return self.run("systemctl", "show", "-p", name, "--value", "pinion.service")

    def live(self) -> bool:
        if not psutil.Process(self._process.pid).children():  # it is about to be made
            return False
        return self.shows("ActiveState") == "active" and self.shows("StatusText").startswith("live: ")


@pytest.fixture
def machine(repository: Repository, tmp_path: Path) -> Iterator[Machine]:  # noqa: F811
    (tmp_path / "work").mkdir()
    told = (DEPLOY / "systemd", tmp_path / "work", SERVE, repository.folder, repository.state / "environments")
    (repository.state / "environments").mkdir(exist_ok=True)
    script = Path(__file__).with_name("boot.sh")
    process = subprocess.Popen(["unshare", *_SPACES, "bash", str(script), *map(str, told)], stderr=subprocess.DEVNULL)
    try:
        one = Machine(process)
        assert eventually(lambda: process.poll() is None and one.live(), within(300.0)), one.shows("StatusText")
        yield one
    finally:
        process.kill()
        process.wait()


_ASKS = """
body='{"inputs": {"x": [3.0], "fault": [""]}}'
while [ ! -e /run/over ]; do
  curl -s -m 120 -o /dev/null -w '%{http_code} ' localhost:8000/predict -H 'content-type: application/json' -d "$body"
done
"""


def test_the_hardened_service_confines_its_models_and_is_restarted_without_a_refusal(machine: Machine) -> None:
    told: dict[str, Any] = json.loads(machine.run("curl", "-s", "localhost:9000/models"))
    sandbox = told["models"]["oracle"]["sandbox"]
    assert sandbox["seccomp"] is True
    assert sandbox["network"] == "none"
    assert {"user", "mount", "ipc", "network"} <= set(sandbox["namespaces"])
    assert sandbox["open"] == []

    script = f"({_ASKS}) & sleep 2; systemctl restart pinion.service; sleep 2; touch /run/over; wait"
    codes = machine.run("bash", "-c", script).split()
    assert len(codes) > 10
    assert set(codes) == {"200"}
    assert machine.live()


def test_a_server_that_stands_still_is_replaced(machine: Machine) -> None:
    before = machine.shows("MainPID")
    machine.run("kill", "-STOP", before)
    assert eventually(lambda: machine.shows("MainPID") not in ("0", before) and machine.live(), within(300.0))
