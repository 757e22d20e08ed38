"""A remote that is reached by SSH: pushed to, read back and pulled from, on hosts that are known and no others."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.forms import FULL, needs
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS
from tests.remotes.conftest import Author, author, prepare, why
from tests.remotes.servers import Ssh, key, sshd

pytestmark = [
    FULL,
    needs("ssh-keygen", "/usr/sbin/sshd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a server that lets in the user who runs it"),
    *MLFLOWS_OWN_WARNINGS,
]


@pytest.fixture(scope="module")
def ssh(place: Path) -> Iterator[Ssh]:
    (place / "ssh").mkdir()
    with sshd(place / "ssh") as one:
        yield one


@pytest.fixture(scope="module")
def promoted(ssh: Ssh, place: Path) -> Author:
    """Someone who has promoted to the remote, with the key in their home."""
    (place / "kept").mkdir()
    one = author(place, ssh.url(place / "kept"), {"HOME": str(ssh.home)})
    told = one.repository.promote(oracle(place / "two", 2), "--name", "oracle")
    assert told.code == 0, told.stderr
    return one


def test_what_is_promoted_is_there_and_a_server_with_the_operators_key_serves_it(
    promoted: Author, ssh: Ssh, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oid = promoted.repository.pin().oid
    assert (place / "kept" / "files" / "md5" / oid[:2] / oid[2:]).is_file()
    monkeypatch.setenv("HOME", str(ssh.home))
    monkeypatch.setenv("UV_CACHE_DIR", promoted.repository.variables["UV_CACHE_DIR"])
    with Server(promoted.server_of(), tmp_path, artifact__remote=promoted.url).ready() as server:
        answer = server.predict({"inputs": {"x": [3.0], "fault": [""]}})
        assert answer.status_code == 200, answer.text


def pulled(promoted: Author, tmp_path: Path, home: Path) -> str:
    """Why a server with this home has nothing."""
    done = prepare(
        promoted.server_of(tmp_path.name),
        tmp_path / "state",
        {"HOME": str(home), "PINION_ARTIFACT__REMOTE": promoted.url},
    )
    return why(done)


def home_of(ssh: Ssh, tmp_path: Path, known: str, its_key: Path | None = None) -> Path:
    """A home with these known hosts, and the key that is let in, or another."""
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    source = its_key or ssh.home / ".ssh" / "id_ed25519"
    for suffix in ("", ".pub"):
        (folder / f"id_ed25519{suffix}").write_bytes(Path(f"{source}{suffix}").read_bytes())
    (folder / "known_hosts").write_text(known)
    return folder.parent


def test_a_host_that_is_not_known_is_told_what_to_do_about_and_nothing_is_pulled(
    promoted: Author, ssh: Ssh, tmp_path: Path
) -> None:
    told = pulled(promoted, tmp_path, home_of(ssh, tmp_path, ""))
    assert "the SSH host 127.0.0.1 shows a key that this machine's known_hosts does not name" in told
    assert not (tmp_path / "state" / "snapshots").exists()


def test_a_host_whose_key_has_changed_is_not_believed(promoted: Author, ssh: Ssh, tmp_path: Path) -> None:
    another = " ".join(Path(f"{key(tmp_path / 'another')}.pub").read_text().split()[:2])
    told = pulled(promoted, tmp_path, home_of(ssh, tmp_path, f"[127.0.0.1]:{ssh.port} {another}\n"))
    assert "the SSH host 127.0.0.1 shows a key that this machine's known_hosts does not name" in told


def test_a_key_that_is_not_let_in_is_told_in_a_sentence(promoted: Author, ssh: Ssh, tmp_path: Path) -> None:
    home = home_of(ssh, tmp_path, ssh.known_hosts.read_text(), key(tmp_path / "another"))
    assert "the SSH server takes none of this machine's keys" in pulled(promoted, tmp_path, home)
