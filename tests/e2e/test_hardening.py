"""docs/hardening.md, typed as it stands: from two keys to a server that answers those who show one."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server
from tests.forms import FULL, needs
from tests.models import oracle
from tests.repositories import new_repository

pytestmark = needs("openssl", "ssh-keygen", "setpriv", "curl")

PAGE = (Path(__file__).parents[2] / "docs" / "hardening.md").read_text()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ask(command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-euc", command], env=os.environ | variables, capture_output=True, text=True)


class Locked(Server):
    """The server of the page: its block is what starts it."""

    def __init__(self, block: str, folder: Path, variables: dict[str, str]) -> None:
        self._block, self._variables = block, variables
        super().__init__(folder, Path(variables["state"]))

    def begin(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        ours = ["bash", "-euc", self._block]
        return subprocess.Popen(ours, env=os.environ | self._variables, stderr=subprocess.PIPE, text=True)


@FULL
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_the_page_leads_to_a_server_that_is_locked_down(tmp_path: Path) -> None:
    ports = {"8443": str(free_port()), "9443": str(free_port())}
    page = re.sub("8443|9443", lambda match: ports[match[0]], PAGE)
    keys, promotion, told, start, asking = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    folder = new_repository(tmp_path / "repo")
    variables: dict[str, Any] = {
        **{name: str(tmp_path / name) for name in ("etc", "state")},
        "HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "model": str(oracle(tmp_path / "model", 2)),
        "remote": str(folder / "remote"),
        "repository": str(folder),
        "user": "root",
        "body": '{"dataframe_records": [{"x": 1.0}]}',
    }
    for name in ("etc", "home/.ssh"):
        (tmp_path / name).mkdir(parents=True)

    for block in (keys, promotion, told):
        done = ask(f"cd {folder}\n{block}", **variables)
        assert done.returncode == 0, done.stderr
    with Locked(start, folder, variables) as server:
        for event in ("commit verified", "signature verified", "sandbox", "release live"):
            server.wait(event)
        for command in asking.split("curl")[1:]:
            done = ask(f"curl{command}", **variables)
            assert done.returncode == 0, (command, done.stderr)
            nobody = ask("curl" + re.sub(r"-H \"Authorization[^\"]*\"", "", command), **variables)
            assert nobody.returncode == 22  # 401
            assert nobody.stdout == ""
