"""Which commit says so: where git has the very bytes of models.dvc from, and whether the signature on it holds.

A checkout of models.dvc leaves no commit, so HEAD's signature says nothing of it. What counts is that a commit of HEAD,
a branch or a tag has these bytes, and that it verifies by the operator's own list of signers, or keyring, alone: fail
closed. Then a rollback to what was once signed is allowed, and what no signed commit holds is refused.

`git verify-commit` binds a signature to a key, not to the name and address that the commit gives for its author.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from serve.artifact import git, history, pin, watch
from serve.artifact.pin import FILENAME, Pin
from serve.artifact.trust import CommitPolicy, Trust
from serve.errors import CommitRefused, PinUnreadable

log = structlog.get_logger()

_MOST_TRIED = 256  # each try starts two programs
_SIGNATURE = b"\ngpgsig"  # what begins the signature's line among a commit's, for either hash of git


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit that a pin is from, its date (ISO, UTC or with an offset), and who signed it where that was asked."""

    revision: str
    date: str
    signer: str = ""


def origin(repo: Path, wanted: Pin, trust: Trust) -> Origin | None:
    """The commit of `wanted`; None where git has none. `CommitRefused` where it must verify, and does not."""
    data = _bytes(repo, wanted)
    commits = history.holding(repo, data) if data is not None else ()
    why = "" if commits else git.silence(repo)
    if why:
        log.warning("no commit can be told", reason=why)
    if trust.commits is CommitPolicy.NONE:
        return _told(repo, commits[0], {}) if commits else None
    if data is None:
        raise CommitRefused(f"{FILENAME} was changed while its commit was looked for")
    if why:
        raise CommitRefused(f"{why}, so that no commit of {FILENAME} can be verified")
    if not commits:
        raise CommitRefused(
            f"no commit of HEAD, a branch or a tag holds this {FILENAME}, so nobody can have signed it: commit it"
        )
    return _verified(repo, commits, trust)


def older(origin: Origin | None, before: Origin | None) -> bool:
    """Whether a release is from an older commit than the one before; said in the log, where who looks into it looks."""
    if origin is None or before is None or datetime.fromisoformat(origin.date) >= datetime.fromisoformat(before.date):
        return False
    log.warning(
        "release older than the one before",
        commit=origin.revision,
        date=origin.date,
        before=before.revision,
        before_date=before.date,
    )
    return True


def _bytes(repo: Path, wanted: Pin) -> bytes | None:
    """The content of models.dvc, as long as it says what is wanted."""
    try:
        data = watch.look(repo)
        return data if pin.read(data) == wanted else None
    except PinUnreadable:
        return None


def _verified(repo: Path, commits: tuple[str, ...], trust: Trust) -> Origin:
    """The oldest of these that verifies: the promotion itself, where that was signed."""
    if trust.revoked_signers is not None and not os.access(trust.revoked_signers, os.R_OK):  # git would do without
        raise CommitRefused(f"{trust.revoked_signers}, which says whose signatures count no more, can't be read")
    signed = _signed(repo, commits)
    if not signed:
        raise CommitRefused(f"commit {commits[0][:12]}, which has this {FILENAME}, is not signed: git commit -S")
    settings, why = _settings(trust), ""
    for commit in signed[:_MOST_TRIED]:
        done = git.ask(repo, "verify-commit", commit, settings=settings)
        if done.returncode == 0:
            return _told(repo, commit, settings)
        why = why or _why(done.stderr)
    raise CommitRefused(f"the signature of commit {signed[0][:12]}, which has this {FILENAME}, does not verify: {why}")


def _signed(repo: Path, commits: tuple[str, ...]) -> list[str]:
    """Those that bear a signature, whoever's."""
    told = git.answer(repo, "cat-file", "--batch", given="".join(f"{one}\n" for one in commits).encode()) or b""
    found, at = [], 0
    while (line := told.find(b"\n", at)) > 0:  # '<commit> commit <bytes>', the commit itself, a line end
        commit, _, size = told[at:line].split(b" ")
        content = told[line + 1 : line + 1 + int(size)]
        if _SIGNATURE in content.partition(b"\n\n")[0]:
            found.append(commit.decode())
        at = line + int(size) + 2
    return found


def _settings(trust: Trust) -> dict[str, str]:
    """SSH signatures by the operator's list of signers where there is one; else OpenPGP's by the user's own keyring."""
    if trust.allowed_signers is None:
        return {"gpg.openpgp.program": "gpg", "gpg.program": "gpg", "gpg.minTrustLevel": "marginal"}
    return {
        "gpg.ssh.program": "ssh-keygen",
        "gpg.ssh.allowedSignersFile": str(trust.allowed_signers),
        "gpg.ssh.revocationFile": str(trust.revoked_signers or os.devnull),
        "gpg.minTrustLevel": "fully",
    }


def _told(repo: Path, commit: str, settings: dict[str, str]) -> Origin:
    form = "%cI%x1f%GS (%GK)" if settings else "%cI%x1f"
    told = git.ask(repo, "log", "-1", f"--format={form}", commit, settings=settings).stdout.decode(errors="replace")
    date, _, signer = told.strip("\n").partition("\x1f")
    return Origin(commit, date, signer)


def _why(stderr: bytes) -> str:
    """What git, gpg or ssh-keygen said of a signature, in one line."""
    told = " · ".join(stderr.decode(errors="replace").split("\n")).strip(" ·")
    return "".join(one for one in told if one.isprintable())[:400] or "no program for this kind of signature is allowed"
