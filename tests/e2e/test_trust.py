"""A-20 to A-22, G-17: a server that asks for signatures, verified commits and no pickles, and what it refuses.

Releases are put into its state folder as a pull would have; what is asked of them comes after.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from model_signing import hashing, signing

from promote.sign import Signer, sign
from serve.artifact import fetch, pin, verify
from serve.artifact.fetch import PullLimits, Store
from tests import pem
from tests.e2e import metrics
from tests.e2e.conftest import Repository
from tests.e2e.server import SERVE, Server
from tests.forms import FULL, needs
from tests.serve.artifact.signing import public, ssh_key

pytestmark = needs("ssh-keygen")

Change = Callable[[Path], None]


def nothing(_: Path) -> None:
    """As it was promoted."""


@dataclass
class Releases:
    """Makes releases of the oracle in a repository: signed with a model's key, in commits signed with another."""

    repository: Repository
    root: Path
    day: int = 1

    def __post_init__(self) -> None:
        self.ada, self.eve = pem.key(self.root, "ada"), pem.key(self.root, "eve")
        self.committer, self.stranger = ssh_key(self.root, "committer"), ssh_key(self.root, "stranger")
        self.allowed = self.root / "allowed"
        self.allowed.write_text(f"ada@example.org {public(self.committer)}\n")
        self.repository.git("config", "gpg.format", "ssh")

    @property
    def trust(self) -> dict[str, Any]:
        return {
            "trust__keys": json.dumps([str(self.ada.public)]),
            "trust__commits": "verified",
            "trust__allowed_signers": self.allowed,
            "trust__allow_pickle": "false",
        }

    def staged(self, promotion: int) -> Path:
        """A promotion's folder, to be changed; models.dvc stays as it is, for a server follows it."""
        told = self.repository.git("show", f"{self.repository.revisions[promotion]}:models.dvc")
        pinned = pin.read(f"{told}\n".encode())
        store = Store(self.repository.folder, self.repository.state)
        asyncio.run(fetch.fetch(store, pinned, PullLimits(timeout_seconds=120.0)))
        folder = self.root / f"staged-{self.day}" / "oracle"
        shutil.copytree(store.snapshot(pinned.models[0]), folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        return folder

    def signed(self, promotion: int = 1, before: Change = nothing, key: pem.Key | None = None) -> Path:
        folder = self.staged(promotion)
        before(folder)
        sign(folder, Signer((key or self.ada).path, None, None, (), ""))
        return folder

    def pin(self, folder: Path) -> None:
        """What the folder is as the release that models.dvc names, in the state folder already; not committed."""
        path = self.repository.folder / pin.FILENAME
        digest = verify.tree_digest(verify.manifest(folder))
        model = pin.PinnedModel("oracle", digest)
        place = Store(self.repository.folder, self.repository.state).snapshot(model)
        if not place.exists():
            shutil.copytree(folder, place)
        written = path.with_suffix(".new")
        written.write_bytes(pin.write(replace(pin.read(path.read_bytes()), models=(model,))))
        written.replace(path)

    def commit(self, key: Path | None) -> str:
        self.day += 1
        when = f"2025-01-01T{self.day // 60:02}:{self.day % 60:02}:00Z"
        given = [f"--gpg-sign={key}"] if key else []
        subprocess.run(
            ["git", "-C", self.repository.folder, "commit", "-qm", "Promote", "--allow-empty", *given, "models.dvc"],
            env={**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when},
            check=True,
        )
        return self.repository.git("rev-parse", "HEAD")


class Strict:
    """A server that asks for all of it, at a release that has it."""

    def __init__(self, releases: Releases, server: Server, first: str) -> None:
        self.releases, self.server, self.first = releases, server, first

    def require_refused(self, code: str, told: str, release: Callable[[], object]) -> None:
        """What `release` pins is refused for this reason, named alike everywhere; then all is as it was."""
        server, before = self.server, self.server.model()["digest"]
        failures, lives = server.count("rollout failed", code=code), server.count("release live")
        release()
        # A pin that is looked at before its commit is there fails for that first, and is tried again.
        failed = server.wait("rollout failed", failures + 1, seconds=60.0, code=code)
        assert told in failed["reason"]
        models = server.get("/models").json()
        assert (models["failure"]["code"], models["live"]) == (code, {"oracle": before})
        assert metrics.value(server, "pinion_rollouts_total", outcome=code) >= 1
        assert server.predict({"inputs": {"x": [1.0]}}).json()["predictions"][0]["factor"] == 3.0
        self.back()
        server.wait("release live", lives + 1)

    def back(self) -> None:
        self.releases.repository.git("checkout", "--quiet", self.first, "--", "models.dvc")


@pytest.fixture(scope="module")
def strict(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    root = tmp_path_factory.mktemp("strict")
    shutil.copytree(promoted.folder, root / "repo", symlinks=True)
    shutil.copytree(promoted.state, root / "state", symlinks=True)
    releases = Releases(Repository(root / "repo", promoted.revisions, root / "state"), root)
    releases.pin(releases.signed())
    first = releases.commit(releases.committer)
    settings = {**releases.trust, "rollout__first_retry_seconds": 0.2, "artifact__keep_releases": 50}
    with Server(root / "repo", root / "state", **settings).ready() as server:
        yield Strict(releases, server, first)


def unsigned(releases: Releases) -> Path:
    return releases.staged(1)


def of_another_key(releases: Releases) -> Path:
    return releases.signed(key=releases.eve)


def tampered(releases: Releases) -> Path:
    folder = releases.signed()
    (folder / "model" / "data" / "factor.txt").write_text("99")
    return folder


def with_an_extra_file(releases: Releases) -> Path:
    folder = releases.signed()
    (folder / "model" / "code" / "evil.py").write_text("")
    return folder


def with_a_missing_file(releases: Releases) -> Path:
    folder = releases.signed()
    (folder / "model" / "input_example.json").unlink()
    return folder


def of_another_model(releases: Releases) -> Path:
    folder = releases.signed()
    other = folder.rename(folder.with_name("teller"))
    sign(other, Signer(releases.ada.path, None, None, (), ""))
    return other


def of_a_draft(releases: Releases) -> Path:
    folder = releases.signed()
    bundle = json.loads((folder / "model.sig").read_text())
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    payload["predicateType"] = "https://model_signing/Digests/v0.1"
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    (folder / "model.sig").write_text(json.dumps(bundle))
    return folder


def that_allows_links(releases: Releases) -> Path:
    folder = releases.staged(1)
    lax = hashing.Config().set_ignored_paths(paths=["model.sig"], ignore_git_paths=False).set_allow_symlinks(True)
    config = signing.Config().use_elliptic_key_signer(private_key=releases.ada.path).set_hashing_config(lax)
    config.sign(folder, folder / "model.sig")
    return folder


def that_is_none(releases: Releases) -> Path:
    folder = releases.staged(1)
    (folder / "model.sig").write_text("signed, Ada\n")
    return folder


SIGNATURES: dict[Callable[[Releases], Path], tuple[str, str]] = {
    unsigned: ("signature_missing", "model 'oracle' is not signed"),
    of_another_key: ("signer_unknown", "bears the signature of none of trust.keys"),
    tampered: ("signature_mismatch", "model/data/factor.txt (changed)"),
    with_an_extra_file: ("signature_mismatch", "model/code/evil.py (extra)"),
    with_a_missing_file: ("signature_mismatch", "model/input_example.json (missing)"),
    of_another_model: ("signature_of_another", "the signature of another model, 'teller'"),
    of_a_draft: ("signature_predicate", "https://model_signing/Digests/v0.1"),
    that_allows_links: ("signature_allows_links", "signed with allow_symlinks"),
    that_is_none: ("signature_unreadable", "has a model.sig that can't be read"),
}


@pytest.mark.parametrize("made", SIGNATURES, ids=lambda made: made.__name__)
def test_a20_a_model_with_a_signature(strict: Strict, made: Callable[[Releases], Path]) -> None:
    def release() -> None:
        strict.releases.pin(made(strict.releases))
        strict.releases.commit(strict.releases.committer)

    strict.require_refused(*SIGNATURES[made], release)


def test_a21_a_release_of_no_verified_commit_is_refused_until_there_is_one(strict: Strict) -> None:
    releases, server = strict.releases, strict.server
    fine = releases.signed(before=lambda folder: (folder / "model" / "data" / "more.txt").write_text("more"))
    strict.require_refused("commit_unverified", "no commit of HEAD", lambda: releases.pin(fine))

    def commit(key: Path | None) -> None:
        releases.pin(fine)
        releases.commit(key)

    failures, lives = server.count("rollout failed"), server.count("release live")
    commit(None)
    while "is not signed" not in server.wait("rollout failed", failures := failures + 1)["reason"]:
        pass
    releases.commit(releases.stranger)
    while "No principal matched" not in server.wait("rollout failed", failures := failures + 1)["reason"]:
        pass
    revision = releases.commit(releases.committer)  # of the same bytes; nothing in the work tree changes
    server.wait("release live", lives + 1)
    release = server.get("/models").json()["release"]
    assert (release["commit"], release["older_than_previous"]) == (revision, False)
    assert release["signer"].startswith("ada@example.org (SHA256:")
    assert server.wait("commit verified", commit=revision)["signer"] == release["signer"]
    strict.back()
    server.wait("release live", lives + 2)


def test_a22_a_rollback_to_what_was_once_signed_is_live_and_shown_as_older(strict: Strict) -> None:
    releases, server = strict.releases, strict.server
    lives = server.count("release live")
    releases.pin(releases.signed(promotion=0))
    newer = releases.commit(releases.committer)
    server.wait("release live", lives + 1)
    assert server.get("/models").json()["release"]["older_than_previous"] is False
    strict.back()
    server.wait("release live", lives + 2)
    release = server.get("/models").json()["release"]
    assert (release["commit"], release["older_than_previous"]) == (strict.first, True)
    server.wait("release older than the one before", commit=strict.first, before=newer)
    assert server.predict({"inputs": {"x": [1.0]}}).json()["predictions"][0]["factor"] == 3.0


def test_g17_a_model_with_pickles_is_refused_whatever_its_promotion_recorded(strict: Strict) -> None:
    def release() -> None:
        releases = strict.releases
        releases.pin(releases.signed(before=lambda one: (one / "model" / "weights").write_bytes(b"\x80\x04]\x94.")))
        releases.commit(releases.committer)

    strict.require_refused("format_refused", "model/weights); log it without them: pyfunc: models from code", release)


def command(*arguments: str | Path, **settings: Any) -> tuple[int, str]:
    variables = {f"PINION_{name}".upper(): str(value) for name, value in settings.items()}
    done = subprocess.run(
        [SERVE, *arguments], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr.splitlines()[-1]


def test_a_model_pinned_without_hashes_is_refused_where_they_are_asked_for(
    promoted: Repository, tmp_path: Path
) -> None:
    shutil.copytree(promoted.folder, tmp_path / "repo", symlinks=True)
    releases = Releases(Repository(tmp_path / "repo", promoted.revisions, promoted.state), tmp_path)
    old = releases.staged(1)
    (old / "hashes.txt").unlink()
    releases.repository = replace(releases.repository, state=tmp_path / "state")
    releases.pin(old)
    code, told = command(
        "prepare", "--repo", tmp_path / "repo", artifact__state=tmp_path / "state", trust__require_hashes="true"
    )
    assert code == 1
    assert "was pinned without the hashes of its packages: promote it again, which records them" in told


@FULL
def test_an_environment_of_recorded_hashes_serves(repository: Repository) -> None:
    with Server(repository.folder, repository.state, trust__require_hashes="true").ready() as server:
        assert server.predict({"inputs": {"x": [1.0]}}).json() == {"predictions": [{"y": 3.0, "factor": 3.0}]}
        built = server.wait("building environment")
        assert built["packages"] > 10


@FULL
def test_b1_a_recipe_that_lacks_a_package_is_refused_with_the_name_of_the_module(
    repository: Repository, tmp_path: Path
) -> None:
    releases = Releases(repository, tmp_path)
    with Server(repository.folder, repository.state, worker__environment="isolated").ready() as server:
        lacking = releases.staged(0)
        listed = lacking / "environment.txt"
        lines = [line for line in listed.read_text().splitlines() if not line.startswith("pandas==")]
        listed.write_text("\n".join(lines) + "\n")
        releases.pin(lacking)
        failed = server.wait("rollout failed")
        assert (failed["code"], "pandas" in failed["reason"]) == ("load_failed", True), failed["reason"]
        assert server.predict({"inputs": {"x": [1.0]}}).json()["predictions"][0]["factor"] == 3.0
        assert server.count("rollout failed") == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"trust__keys": '["/nowhere/key.pem"]'}, "/nowhere/key.pem, which the trust settings name, can't be read"),
        (
            {"trust__commits": "verified", "trust__allowed_signers": "/nowhere/allowed"},
            "/nowhere/allowed, which the trust settings name, can't be read",
        ),
        ({"trust__allowed_signers": "/nowhere/allowed"}, "say nothing unless trust.commits is verified"),
        ({"trust__commits": "verified", "trust__revoked_signers": "/x"}, "revoked_signers needs allowed_signers"),
        ({"trust__commits": "signed"}, "setting trust.commits"),
    ],
)
def test_what_can_not_be_asked_for_is_refused_at_start(
    promoted: Repository, settings: dict[str, str], told: str
) -> None:
    code, line = command("--repo", promoted.folder, "--port", "0", **settings)
    assert (code, told in line) == (2, True), line
