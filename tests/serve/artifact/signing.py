"""Git repositories whose commits are signed, by keys made for a test."""

import os
import subprocess
from pathlib import Path

from serve.artifact.pin import FILENAME, Pin, PinnedModel, write

_WHO = {"NAME": "Ada", "EMAIL": "ada@example.org"}


def ssh_key(folder: Path, name: str) -> Path:
    """A new private key; its public half lies beside it."""
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text().strip()


def pin(digit: str) -> Pin:
    return Pin(digit * 32 + ".dir", 1, 1, (PinnedModel("digits", "sha256:" + digit * 64),))


class SignedRepository:
    """Its commits follow each other a day apart, each signed with the key it names, if any."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.day = folder, 0
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "gpg.format", "ssh")

    def git(self, *arguments: str, **variables: str) -> str:
        when = f"2024-01-{self.day + 1:02}T00:00:00Z"
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
        mine = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", "-C", str(self.folder), *arguments]
        done = subprocess.run(
            command, env=os.environ | who | mine | variables, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, data: Pin | None, key: Path | str | None = None, **variables: str) -> str:
        self.day += 1
        if data is not None:
            (self.folder / FILENAME).write_bytes(write(data))
            self.git("add", FILENAME)
        sign = [f"--gpg-sign={key}"] if key else []
        self.git("commit", "--quiet", "--allow-empty", "--message=Promote", *sign, **variables)
        return self.git("rev-parse", "HEAD")

    def checkout(self, revision: str) -> None:
        self.git("checkout", "--quiet", revision, "--", FILENAME)
