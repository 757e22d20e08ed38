"""G-12 and G-17: promotions that are signed, and those that are refused for a key, a commit or a format."""

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from serve.artifact import signed, verify
from serve.artifact.hashes import hashed
from serve.artifact.snapshot import recipe
from serve.artifact.trust import Trust
from tests import pem
from tests.forms import FULL, needs
from tests.models import oracle
from tests.promoting import MLFLOWS_OWN_WARNINGS, Repository

pytestmark = [*MLFLOWS_OWN_WARNINGS, needs("ssh-keygen")]


def refused(repository: Repository, *arguments: str | Path) -> str:
    """The sentence, after seeing that everything is as it was."""
    before = repository.fingerprint()
    sentence = repository.promote_here(*arguments).refusal
    assert repository.fingerprint() == before
    return sentence


def pickled(target: Path) -> Path:
    """The oracle, with a file beside it that is a pickle."""
    model = oracle(target, 5)
    (model / "data" / "weights").write_bytes(b"\x80\x04]\x94.")
    return model


def signs_commits(repository: Repository, key: Path | str) -> None:
    for setting, value in (("gpg.format", "ssh"), ("commit.gpgSign", "true"), ("user.signingKey", str(key))):
        repository.git("config", setting, value)


def bears(repository: Repository, trust: Trust) -> str:
    folder = repository.folder / "models" / "oracle"
    assert verify.tree_digest(verify.manifest(folder)) == repository.pin().models[0].digest
    return asyncio.run(signed.require(folder, "oracle", trust))


def test_a_promotion_signs_what_it_pins_and_records_what_it_found(repository: Repository, tmp_path: Path) -> None:
    """By a key with a password, in a commit that git signs; a model with a pickle, and with hashes of its packages."""
    key, ssh = pem.key(tmp_path, "ada", "hunter2"), tmp_path / "ssh"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh], check=True)
    signs_commits(repository, ssh)
    given = replace(repository, variables={"PROMOTE_KEY_PASSWORD": "hunter2"})
    arguments = (pickled(tmp_path / "model"), "--name", "oracle", "--sign", key.path)
    told = given.promote_here(*arguments)
    assert told.revision == repository.git("rev-parse", "HEAD")
    assert f"signed     model.sig, by {key.path}" in told.stderr
    assert bears(repository, Trust(keys=(key.public,))) == str(key.public)
    assert "\ngpgsig " in repository.git("cat-file", "commit", "HEAD")
    assert "the model holds pickles (data/weights), which run what they name as they are loaded" in told.stderr
    assert repository.pinned("oracle/promotion.json")["pickles"] == ["data/weights"]
    folder = repository.folder / "models" / "oracle"
    recorded = hashed(folder, "oracle", recipe(folder))
    assert len(recorded.hashes) >= len(recorded.requirements) > 10
    assert "://" not in (folder / "hashes.txt").read_text()
    again = given.promote_here(*arguments)
    assert "these very bytes already" in again.stderr
    assert again.revision == told.revision


@FULL
def test_a_certificate_signs_what_was_pinned_unsigned(repository: Repository, two: Path, tmp_path: Path) -> None:
    key, root = pem.key(tmp_path, "ada"), pem.key(tmp_path, "root")
    certificate, authority = pem.certificate(key, root), pem.certificate(root, root, authority=True)
    arguments = (two, "--name", "oracle", "--sign", key.path, "--certificate", certificate, "--chain", authority)
    assert repository.promote_here(*arguments).revision
    assert bears(repository, Trust(certificates=(authority,))) == str(authority)
    assert "these very bytes already" in repository.promote_here(*arguments).stderr


KEYS: dict[str, tuple[Callable[[Path], list[Path | str]], str]] = {
    "missing": (lambda folder: [folder / "none.key"], "none.key can't be read: No such file or directory"),
    "a public key": (lambda folder: [pem.key(folder, "a").public], "wrong password, or no private key in PEM"),
    "no key": (lambda folder: [Path(__file__)], "wrong password, or no private key in PEM"),
    "of another kind": (lambda folder: [pem.rsa_key(folder)], "is not of the curve P-256, P-384 or P-521"),
    "encrypted": (lambda folder: [pem.key(folder, "a", "hunter2").path], "is encrypted: set PROMOTE_KEY_PASSWORD"),
    "with another's certificate": (
        lambda folder: [
            pem.key(folder, "a").path,
            "--certificate",
            pem.certificate(pem.key(folder, "b"), pem.key(folder, "c")),
        ],
        "is the certificate of another key",
    ),
    "with no certificate": (
        lambda folder: [pem.key(folder, "a").path, "--certificate", Path(__file__)],
        "a certificate is not in PEM",
    ),
    "a chain of nothing": (lambda folder: [(one := pem.key(folder, "a")).path, "--chain", one.path], "--chain needs"),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_key_that_can_not_sign_is_told_before_anything_is_done(
    repository: Repository, three: Path, tmp_path: Path, case: str
) -> None:
    make, told = KEYS[case]
    assert told in refused(repository, three, "--sign", *make(tmp_path))


def test_a_wrong_password_is_told(repository: Repository, three: Path, tmp_path: Path) -> None:
    wrong = replace(repository, variables={"PROMOTE_KEY_PASSWORD": "wrong"})
    assert "wrong password" in refused(wrong, three, "--sign", pem.key(tmp_path, "a", "hunter2").path)


def test_a_certificate_without_a_key_is_told(repository: Repository, three: Path) -> None:
    assert "--certificate and --chain need --sign" in refused(repository, three, "--certificate", Path(__file__))


@pytest.mark.parametrize("program", ["ssh-keygen", pytest.param("/bin/false", marks=FULL)])
def test_a_commit_that_can_not_be_signed_is_not_made(
    repository: Repository, two: Path, tmp_path: Path, program: str
) -> None:
    """Where git is to sign each commit, and its key is missing, or its program fails."""
    signs_commits(repository, "/nowhere")
    repository.git("config", "gpg.ssh.program", program)
    key = pem.key(tmp_path, "ada")
    assert "git commit failed" in refused(repository, two, "--name", "oracle", "--sign", key.path)


def test_a_model_with_pickles_is_refused_where_there_may_be_none(repository: Repository, tmp_path: Path) -> None:
    model = pickled(tmp_path / "model")
    wanted = "the model holds pickles (data/weights); log it without them: pyfunc: models from code"
    assert wanted in refused(repository, model, "--name", "oracle", "--no-pickle")
    strict = replace(repository, variables={"PINION_TRUST__ALLOW_PICKLE": "false"})
    assert wanted in refused(strict, model, "--name", "oracle")


def test_a_model_without_pickles_is_recorded_so(repository: Repository) -> None:
    assert repository.pinned("oracle/promotion.json")["pickles"] == []
