"""A-21: which commit says so. Real git, ssh-keygen and gpg; keys made for the test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from serve.artifact.commits import Origin, origin
from serve.artifact.pin import FILENAME, write
from serve.artifact.trust import CommitPolicy, Trust
from serve.errors import CommitRefused
from tests.forms import needs
from tests.serve.artifact.signing import SignedRepository, pin, public, ssh_key

pytestmark = needs("ssh-keygen", "gpg")


@dataclass(frozen=True)
class Signers:
    """The keys of Ada, who may sign, and of Eve, who may not; what the operator says of them."""

    ada: Path
    eve: Path
    allowed: Path

    @property
    def trust(self) -> Trust:
        return Trust(commits=CommitPolicy.VERIFIED, allowed_signers=self.allowed)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return ssh_key(folder, "ada"), ssh_key(folder, "eve")


@pytest.fixture
def signers(keys: tuple[Path, Path], tmp_path: Path) -> Signers:
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ada@example.org {public(keys[0])}\n")
    return Signers(*keys, allowed)


@pytest.fixture
def repo(tmp_path: Path) -> SignedRepository:
    return SignedRepository(tmp_path / "repo")


def refused(repo: SignedRepository, trust: Trust, digit: str = "1") -> str:
    with pytest.raises(CommitRefused) as caught:
        origin(repo.folder, pin(digit), trust)
    return caught.value.message


def test_where_git_tells_nothing_that_is_the_reason(
    repo: SignedRepository, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit(pin("1"), signers.ada)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        assert refused(repo, signers.trust).startswith("git can't be run: No such file or directory")
    (repo.folder / ".git").rename(repo.folder / "elsewhere")
    assert refused(repo, signers.trust).startswith(f"{repo.folder} is no git repository")
    with capture_logs() as logs:
        assert origin(repo.folder, pin("1"), Trust()) is None
    assert [one["event"] for one in logs] == ["no commit can be told"]


def test_a_signed_promotion_is_told_with_its_date_and_who_signed_it(repo: SignedRepository, signers: Signers) -> None:
    revision = repo.commit(pin("1"), signers.ada)
    found = origin(repo.folder, pin("1"), signers.trust)
    assert found is not None
    assert (found.revision, found.date) == (revision, "2024-01-02T00:00:00+00:00")
    assert found.signer.startswith("ada@example.org (SHA256:")


def test_an_unsigned_promotion_is_refused(repo: SignedRepository, signers: Signers) -> None:
    revision = repo.commit(pin("1"))
    assert f"commit {revision[:12]}, which has this models.dvc, is not signed" in refused(repo, signers.trust)


def test_a_promotion_signed_by_a_key_that_is_not_listed_is_refused(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(pin("1"), signers.eve)
    assert "does not verify" in (told := refused(repo, signers.trust))
    assert "No principal matched" in told


def test_a_promotion_signed_by_a_revoked_key_is_refused(
    repo: SignedRepository, signers: Signers, tmp_path: Path
) -> None:
    repo.commit(pin("1"), signers.ada)
    revoked = tmp_path / "revoked"
    trust = replace(signers.trust, revoked_signers=revoked)
    revoked.write_text(public(signers.eve) + "\n")
    assert origin(repo.folder, pin("1"), trust) is not None
    revoked.write_text(public(signers.ada) + "\n")
    assert "Could not verify signature" in refused(repo, trust)
    revoked.unlink()
    assert "whose signatures count no more, can't be read" in refused(repo, trust)


def test_a_promotion_signed_after_its_key_expired_is_refused(repo: SignedRepository, signers: Signers) -> None:
    signers.allowed.write_text(f'ada@example.org valid-before="20231231" {public(signers.ada)}\n')
    repo.commit(pin("1"), signers.ada)
    assert "does not verify" in refused(repo, signers.trust)


def test_a_name_and_address_that_a_commit_claims_count_for_nothing(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(pin("1"), signers.eve, GIT_COMMITTER_EMAIL="ada@example.org", GIT_AUTHOR_EMAIL="ada@example.org")
    refused(repo, signers.trust)


@pytest.mark.parametrize("content", [None, "", "nonsense\n", "# nobody\n"])
def test_without_a_list_of_signers_nobody_counts(repo: SignedRepository, signers: Signers, content: str | None) -> None:
    repo.commit(pin("1"), signers.ada)
    signers.allowed.unlink()
    if content is not None:
        signers.allowed.write_text(content)
    refused(repo, signers.trust)


def test_a_rollback_to_what_was_once_signed_is_allowed(repo: SignedRepository, signers: Signers) -> None:
    first = repo.commit(pin("1"), signers.ada)
    repo.commit(pin("2"), signers.ada)
    repo.checkout(first)
    found = origin(repo.folder, pin("1"), signers.trust)
    assert found is not None
    assert found.revision == first


def test_a_rollback_to_what_was_never_signed_is_refused(repo: SignedRepository, signers: Signers) -> None:
    first = repo.commit(pin("1"))
    repo.commit(pin("2"), signers.ada)
    repo.checkout(first)
    refused(repo, signers.trust)


def test_what_no_commit_holds_is_refused_whoever_signed_the_last_one(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(pin("1"), signers.ada)
    (repo.folder / FILENAME).write_bytes(write(pin("2")))
    assert "no commit of HEAD, a branch or a tag holds this models.dvc" in refused(repo, signers.trust, "2")


def test_the_same_pin_in_other_bytes_than_were_signed_is_refused(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(pin("1"), signers.ada)
    (repo.folder / FILENAME).write_bytes(write(pin("1")) + b"# by Eve\n")
    refused(repo, signers.trust)


def test_a_file_that_says_another_pin_by_now_is_refused(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(pin("1"), signers.ada)
    repo.commit(pin("2"), signers.ada)
    assert "was changed while" in refused(repo, signers.trust, "1")


def test_a_later_signed_commit_vouches_for_what_it_holds(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(pin("1"))
    repo.commit(pin("1"), signers.eve)
    signed = repo.commit(None, signers.ada)
    found = origin(repo.folder, pin("1"), signers.trust)
    assert found is not None
    assert found.revision == signed


@pytest.mark.parametrize("kept_by", ["branch", "tag"])
def test_a_commit_of_any_branch_or_tag_counts(repo: SignedRepository, signers: Signers, kept_by: str) -> None:
    repo.commit(None)
    signed = repo.commit(pin("1"), signers.ada)
    repo.git(kept_by, "kept")
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    repo.checkout(signed)
    assert origin(repo.folder, pin("1"), signers.trust) is not None


def test_a_commit_that_nothing_keeps_does_not_count(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(None)
    signed = repo.commit(pin("1"), signers.ada)
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    repo.checkout(signed)
    refused(repo, signers.trust)


def test_a_folder_inside_a_repository_has_its_own_pin(repo: SignedRepository, signers: Signers) -> None:
    repo.commit(pin("1"), signers.ada)
    inner = repo.folder / "inner"
    inner.mkdir()
    (inner / FILENAME).write_bytes(write(pin("1")))
    with pytest.raises(CommitRefused):
        origin(inner, pin("1"), signers.trust)
    repo.git("add", "inner")
    repo.commit(None, signers.ada)
    assert origin(inner, pin("1"), signers.trust) is not None


def test_without_git_nothing_is_verified(
    repo: SignedRepository, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit(pin("1"), signers.ada)
    monkeypatch.setenv("PATH", "")
    refused(repo, signers.trust)


def test_where_nothing_need_verify_the_first_commit_with_these_bytes_is_told(repo: SignedRepository) -> None:
    first = repo.commit(pin("1"))
    repo.commit(pin("2"))
    repo.commit(pin("1"))
    assert origin(repo.folder, pin("1"), Trust()) == Origin(first, "2024-01-02T00:00:00+00:00")
    assert origin(repo.folder, pin("3"), Trust()) is None


@pytest.fixture(scope="module")
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A keyring with one key, whose owner is not trusted; in a folder of few letters, for it makes a socket there."""
    home = Path(os.environ.get("TMPDIR", "/tmp")) / f"gpg-{os.getpid()}"
    home.mkdir(mode=0o700)
    making = ["--batch", "--passphrase", "", "--quick-generate-key", "Ada <ada@example.org>", "ed25519", "sign", "0"]
    subprocess.run(["gpg", "--homedir", str(home), *making], check=True, capture_output=True)
    trusted = home / "ownertrust.txt"
    trusted.write_bytes(_gpg(home, "--export-ownertrust"))
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    shutil.rmtree(home, ignore_errors=True)


def _gpg(home: Path, *arguments: str, given: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", *arguments]
    return subprocess.run(command, input=given, check=True, capture_output=True).stdout


def test_openpgp_signatures_count_by_keys_that_the_server_s_user_trusts(
    repo: SignedRepository, gpg: Path, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(gpg))
    repo.git("config", "gpg.format", "openpgp")
    repo.commit(pin("1"), "ada@example.org")
    trust = Trust(commits=CommitPolicy.VERIFIED)
    found = origin(repo.folder, pin("1"), trust)
    assert found is not None
    assert found.signer.startswith("Ada <ada@example.org>")
    refused(repo, signers.trust)  # where a list of SSH keys is named, no other keys count
    fingerprint = _gpg(gpg, "--list-keys", "--with-colons").decode().split("fpr:::::::::")[1].split(":")[0]
    _gpg(gpg, "--import-ownertrust", given=f"{fingerprint}:3:\n".encode())  # never trusted
    refused(repo, trust)
    monkeypatch.setenv("GNUPGHOME", os.devnull)
    refused(repo, trust)


def test_ssh_signatures_do_not_count_without_a_list(repo: SignedRepository, signers: Signers) -> None:
    repo.git("config", "gpg.ssh.allowedSignersFile", str(signers.allowed))  # the repository's own word
    repo.commit(pin("1"), signers.ada)
    refused(repo, Trust(commits=CommitPolicy.VERIFIED))
