"""What `serve` says at start of who is let in: what can't be used, and where that is everybody."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.e2e.conftest import Repository
from tests.e2e.guarded import new_key
from tests.e2e.server import Server
from tests.e2e.test_command import refused, run

TOKEN = "pinion_ci_hunter2hunter2hunter2hunter2hunter2hunter2"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"# ours\nci predict {TOKEN}\n", "keys.txt: line 2: the third word must be sha256:"),
        (None, "keys.txt: No such file or directory"),
    ],
)
def test_keys_that_can_not_be_read_at_start_are_said(
    repository: Repository, tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "keys.txt"
    if content is not None:
        file.write_text(content)
    done = run("--repo", str(repository.folder), "--port", "0", PINION_AUTH__KEYS=str(file))
    refused(done, 2, told)
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("wrong", ["another key", "an encrypted key", "nothing there"])
def test_certificates_that_can_not_be_used_at_start_are_said(
    repository: Repository, tmp_path: Path, wrong: str
) -> None:
    authority = Authority()
    certificate, key = authority.issue("server").write(tmp_path, "server")
    if wrong == "another key":
        key.write_bytes(authority.issue("other").key)
    elif wrong == "an encrypted key":
        key.write_bytes(authority.issue("server").encrypted)
    else:
        key.unlink()
    variables = {"PINION_HTTP__TLS_CERTIFICATE": str(certificate), "PINION_HTTP__TLS_KEY": str(key)}
    told = "No such file" if wrong == "nothing there" else "they must be a certificate and its own, unencrypted key"
    refused(run("--repo", str(repository.folder), "--port", "0", **variables), 2, told)


def test_a_certificate_that_has_ended_at_start_is_said(repository: Repository, tmp_path: Path) -> None:
    certificate, key = Authority().issue("server", timedelta(minutes=-1)).write(tmp_path, "server")
    with Server(repository.folder, repository.state, http__tls_certificate=certificate, http__tls_key=key) as server:
        assert server.wait("certificate has ended: who connects refuses it", level="warning")["what"] == "server"


@pytest.mark.parametrize(
    ("guard", "warned"), [("tls alone", True), ("keys", False), ("loopback, but for control", True)]
)
def test_a_server_that_whoever_reaches_it_may_use_says_so_once(
    repository: Repository, tmp_path: Path, guard: str, warned: bool
) -> None:
    settings: dict[str, object] = {} if guard.startswith("loopback") else {"http__host": "0.0.0.0"}
    if guard == "tls alone":
        certificate, key = Authority().issue("server").write(tmp_path, "server")
        settings |= {"http__tls_certificate": certificate, "http__tls_key": key}
    elif guard == "keys":
        new_key(tmp_path / "keys.txt", "ci", "predict")
        settings["auth__keys"] = tmp_path / "keys.txt"
    else:
        settings |= {"http__control_port": 0, "http__control_host": "0.0.0.0"}
    with Server(repository.folder, repository.state, **settings) as server:
        server.wait("listening")
        told = [one for one in server.events if one["level"] == "warning"]
    assert [one["event"].startswith("whoever reaches this server may predict") for one in told] == [True] * warned
