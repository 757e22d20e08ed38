"""A repository's own configuration starts no program and replaces no object while it is read."""

import os
import subprocess
from pathlib import Path

import pytest

from serve.artifact import history
from serve.artifact.commits import origin
from serve.artifact.trust import CommitPolicy, Trust
from serve.errors import CommitRefused
from tests.forms import needs
from tests.serve.artifact.signing import SignedRepository, pin, public, ssh_key

pytestmark = needs("ssh-keygen")


@pytest.fixture
def repo(tmp_path: Path) -> SignedRepository:
    return SignedRepository(tmp_path / "repo")


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ada@example.org {public(ssh_key(tmp_path, 'ada'))}\n")
    return Trust(commits=CommitPolicy.VERIFIED, allowed_signers=allowed)


HOSTILE = (
    "gpg.program",
    "gpg.openpgp.program",
    "gpg.ssh.program",
    "gpg.x509.program",
    "gpg.ssh.defaultKeyCommand",
    "core.fsmonitor",
    "core.sshCommand",
    "core.pager",
    "core.editor",
    "core.alternateRefsCommand",
    "diff.external",
    "diff.evil.textconv",
    "diff.evil.command",
    "filter.evil.smudge",
    "filter.evil.clean",
    "credential.helper",
    "uploadpack.packObjectsHook",
    "remote.origin.uploadpack",
    "pager.log",
    "pager.show",
)


def test_no_program_that_the_repository_names_is_started(repo: SignedRepository, trust: Trust, tmp_path: Path) -> None:
    (repo.folder / ".gitattributes").write_text("* diff=evil filter=evil\n")
    repo.commit(pin("1"), tmp_path / "ada")
    canary, evil = tmp_path / "canary", tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch '{canary}'\necho '[GNUPG:] GOODSIG'\nexit 0\n")
    evil.chmod(0o755)
    hooks = repo.folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman"):
        (hooks / name).symlink_to(evil)
    for key in HOSTILE:
        repo.git("config", key, str(evil))
    repo.git("config", "log.showSignature", "true")
    repo.git("config", "core.hooksPath", str(hooks))
    repo.git("config", "remote.origin.url", f"ext::{evil}")
    repo.git("config", "remote.origin.promisor", "true")
    repo.git("config", "extensions.partialClone", "origin")
    repo.git("config", "protocol.ext.allow", "always")
    canary.unlink(missing_ok=True)  # our own commands above may well have started some
    assert [one.pin for one in history.releases(repo.folder)] == [pin("1")]
    assert history.revisions(repo.folder, pin("2")) == {"digits": history.UNCOMMITTED}
    assert origin(repo.folder, pin("1"), trust) is not None
    _lose_an_object(repo)  # which a partial clone would fetch
    history.releases(repo.folder)
    with pytest.raises(CommitRefused):
        origin(repo.folder, pin("1"), trust)
    assert not canary.exists()


def _lose_an_object(repo: SignedRepository) -> None:
    tree = repo.git("rev-parse", "HEAD^{tree}")
    (repo.folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()


def test_the_canary_of_the_test_before_would_sing(repo: SignedRepository, tmp_path: Path) -> None:
    canary, evil = tmp_path / "canary", tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch '{canary}'\n")
    evil.chmod(0o755)
    repo.commit(pin("1"), ssh_key(tmp_path, "ada"))
    repo.git("config", "gpg.ssh.program", str(evil))
    repo.git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "ada.pub"))
    subprocess.run(["git", "-C", str(repo.folder), "verify-commit", "HEAD"], capture_output=True, check=False)
    assert canary.exists()


def test_a_replaced_commit_is_read_as_it_was_made(repo: SignedRepository, trust: Trust, tmp_path: Path) -> None:
    unsigned = repo.commit(pin("1"))
    repo.git("checkout", "--quiet", "--orphan", "other")
    signed = repo.commit(pin("1"), tmp_path / "ada")
    repo.git("checkout", "--quiet", "main")
    repo.git("branch", "--quiet", "-D", "other")
    repo.git("replace", unsigned, signed)
    with pytest.raises(CommitRefused, match="is not signed"):
        origin(repo.folder, pin("1"), trust)


def test_a_grafted_parent_makes_nothing_reachable(repo: SignedRepository, trust: Trust, tmp_path: Path) -> None:
    head = repo.commit(None)
    repo.git("checkout", "--quiet", "--orphan", "other")
    signed = repo.commit(pin("1"), tmp_path / "ada")
    repo.git("checkout", "--quiet", "main")
    repo.git("branch", "--quiet", "-D", "other")
    repo.checkout(signed)
    (repo.folder / ".git" / "info").mkdir(exist_ok=True)
    (repo.folder / ".git" / "info" / "grafts").write_text(f"{head} {signed}\n")
    with pytest.raises(CommitRefused, match="no commit of HEAD"):
        origin(repo.folder, pin("1"), trust)


def test_where_git_itself_started_us_the_named_repository_is_read(
    repo: SignedRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repo.commit(pin("1"))
    monkeypatch.setenv("GIT_DIR", os.devnull)
    monkeypatch.setenv("GIT_INDEX_FILE", os.devnull)
    assert [one.revision for one in history.releases(repo.folder)] == [first]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a repository to another user")
def test_whoever_owns_the_repository_its_history_is_read(repo: SignedRepository) -> None:
    """git by itself refuses one that is another's, as a mounted one is in a container."""
    repo.commit(pin("1"))
    for path in (repo.folder, *repo.folder.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    assert len(history.releases(repo.folder)) == 1
