"""Settings of releases: where they come from, how they go live, and whose word counts."""

from pathlib import Path

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from serve.artifact.trust import CommitPolicy
from serve.settings.group import Group


class ArtifactSettings(Group):
    """Git, DVC, and what is kept on disk."""

    repo: Path = Path()
    """The git repository that holds models.dvc."""
    state: Path | None = None
    """Where snapshots and environments are kept; .pinion in the repository where it is not said."""
    keep_releases: NonNegativeInt = 3
    """Releases kept on disk beside those in use, the ones used last; a rollback to one of them pulls nothing."""
    remote: str | None = Field(default=None, min_length=1)
    """Where to pull from: a URL or a folder; or repository, to trust the url (with region and endpointurl) that the
    repository names. Without it, what DVC's own configuration of this machine says, or .dvc/config.local; of the
    repository's .dvc/config only a folder inside the repository is trusted."""
    max_bytes: PositiveInt = 32 * 2**30
    """Most bytes that a pin may ask to be pulled."""
    max_files: PositiveInt = 100_000
    """Most files that a pin may ask to be pulled."""
    pull_timeout_seconds: PositiveFloat = 600.0
    """How long a dvc pull may take."""
    stall_seconds: PositiveFloat = 30.0
    """A dvc pull that reads and writes less than a kilobyte a second for so long is stopped."""


class RolloutSettings(Group):
    """Going live."""

    default_model: str | None = None
    """The model that /predict means where several are live."""
    watch_interval_seconds: PositiveFloat = 0.25
    """How often models.dvc is looked at."""
    golden_timeout_seconds: PositiveFloat = 120.0
    """How long one golden request may take."""
    hold_seconds: NonNegativeFloat = 30.0
    """How long the release before is held warm, to fall back to; until then both take memory. 0: it is not held."""
    fall_back_after: PositiveInt = 3
    """At how many deaths of its workers a new release falls back to the one held, until git changes."""
    drain_timeout_seconds: PositiveFloat = 30.0
    """How long an old release, or a server told to stop, may finish what it took."""
    first_retry_seconds: PositiveFloat = 2.0
    """Pause before a failed release is tried again; doubles each time."""
    longest_retry_seconds: PositiveFloat = 60.0
    """Longest such pause."""


class TrustSettings(Group):
    """Whose word counts: signatures, commits, formats, packages."""

    keys: tuple[Path, ...] = ()
    """Public keys (PEM, elliptic curve). Where keys or certificates are named, every model must bear a signature by one
    of them, made by promote --sign; it is checked in the folder that is loaded."""
    certificates: tuple[Path, ...] = ()
    """Certificates of authorities (PEM), of whose certificates for signing the same holds."""
    commits: CommitPolicy = CommitPolicy.NONE
    """none; or verified: models.dvc is served only as a commit of HEAD, a branch or a tag has it whose signature
    verifies. A rollback to what was once signed is allowed."""
    allowed_signers: Path | None = None
    """Whose SSH signatures verify a commit: an allowed signers file of ssh-keygen. Without it, OpenPGP signatures do,
    by keys that the server's user trusts at least marginally."""
    revoked_signers: Path | None = None
    """SSH keys whose signatures count no more: a revocation list of ssh-keygen, or a file of public keys."""
    allow_pickle: bool = True
    """Whether models may hold pickles, which run what they name as they are loaded. Plain Python runs as well: this is
    about formats, and no sandbox."""
    require_hashes: bool = False
    """Whether environments are made of exactly the packages whose hashes were recorded at promotion, and never the
    server's own."""

    @model_validator(mode="after")
    def _signers_have_commits(self) -> "TrustSettings":
        if (self.allowed_signers or self.revoked_signers) and self.commits is CommitPolicy.NONE:
            raise ValueError("allowed_signers and revoked_signers say nothing unless trust.commits is verified")
        if self.revoked_signers and not self.allowed_signers:
            raise ValueError("revoked_signers needs allowed_signers: both are of SSH keys")
        return self
