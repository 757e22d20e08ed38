"""What the operator must look at; traffic goes on with what is live."""

from pathlib import Path
from typing import ClassVar

from serve.errors.root import ServeError


class RolloutFailed(ServeError):
    """The operator must look; what is live stays live.

    `transient` says whether trying the same pin again later can help without anyone touching git.
    """

    transient: ClassVar[bool] = False


class PinUnreadable(RolloutFailed):
    """models.dvc is missing, half-written, or not what a promotion writes."""

    code = "pin_unreadable"


class PinTooLarge(RolloutFailed):
    """models.dvc pins more bytes or files than this server may pull."""

    code = "pin_too_large"


class RemoteNotTrusted(RolloutFailed):
    """Only the repository says where to pull from; the operator must say it too, which needs no change in git."""

    code = "remote_not_trusted"
    transient = True


class ListingRefused(RolloutFailed):
    """DVC's listing of the pinned folder is not one that a promotion writes; it was not acted on."""

    code = "listing_refused"


class PullFailed(RolloutFailed):
    """DVC could not bring the pinned bytes."""

    code = "pull_failed"
    transient = True


class DigestMismatch(RolloutFailed):
    """The bytes at hand are not the pinned ones; names every extra, missing and changed file."""

    code = "digest_mismatch"
    transient = True


class SnapshotUnreadable(RolloutFailed):
    """The verified folder is not a model a promotion would write."""

    code = "snapshot_unreadable"


class EnvironmentFailed(RolloutFailed):
    """The model's recorded environment could not be made."""

    code = "environment_failed"
    transient = True


class MachineFailed(RolloutFailed):
    """The machine did not give what it takes: a disk is full, say, or no descriptor is left."""

    code = "machine_failed"
    transient = True

    def __init__(self, error: OSError) -> None:
        place = f" ({Path(str(error.filename)).name})" if error.filename else ""  # callers read it: no more of the path
        super().__init__(f"the machine refused what this takes: {error.strerror or error}{place}")


class LoadFailed(RolloutFailed):
    """A worker could not load the model."""

    code = "load_failed"


class SandboxFailed(RolloutFailed):
    """A model's process could not be confined as the settings require."""

    code = "sandbox_failed"


class GoldenMismatch(RolloutFailed):
    """The loaded model does not reproduce the answers recorded at its promotion."""

    code = "golden_mismatch"


class FellBack(RolloutFailed):
    """The release went live, failed soon after, and the one before is live again."""

    code = "fell_back"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}, so the release before is live again; this one is tried again once git changes")
