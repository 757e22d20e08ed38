"""Whose word counts for a release, as data: what the operator asks of a model's signature, commit, format and packages.

Where nothing is asked, a release needs no more than to be what models.dvc pins.
"""

import enum
from dataclasses import dataclass
from pathlib import Path


class CommitPolicy(enum.StrEnum):
    """Which commits may say what is served."""

    NONE = "none"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Trust:
    """What the operator asks. `keys` and `certificates` are PEM files; the signers' files are ssh-keygen's."""

    keys: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    commits: CommitPolicy = CommitPolicy.NONE
    allowed_signers: Path | None = None
    revoked_signers: Path | None = None
    allow_pickle: bool = True
    require_hashes: bool = False

    @property
    def signed(self) -> bool:
        """Whether each model must bear a signature."""
        return bool(self.keys or self.certificates)

    @property
    def asks(self) -> bool:
        """Whether a model must be more than what models.dvc pins."""
        return self.signed or not self.allow_pickle or self.require_hashes
