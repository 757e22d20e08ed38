"""Every way Pinion can refuse or fail, drawn by who must act.

    ServeError
    ├── RequestRejected    the caller must change the request
    │   ├── MalformedRequest · InvalidInputs · PayloadTooLarge · UnsupportedContent · NotAcceptable
    │   └── ModelNotFound · VersionNotFound · RouteNotFound · MethodNotAllowed
    ├── Unavailable        the caller may try again
    │   ├── QueueFull (WaitTooLong, BodiesFull) · DeadlineExceeded (ReadTooSlowly) · WorkerDied (AsideDied) · NotReady
    ├── ModelFailed        the model's author must look
    │   └── PredictFailed · BadOutput · OutputTooLarge · WorkerCrashed
    ├── InternalError      we must look
    └── RolloutFailed      the operator must look; traffic goes on with what is live
        ├── PinUnreadable · PullFailed · DigestMismatch · SnapshotUnreadable · MachineFailed
        └── EnvironmentFailed · LoadFailed · GoldenMismatch · FellBack

Each class has a stable `code`, used in answers, logs and metrics alike, and one sentence as its message.
Nothing here knows HTTP: `front/status.py` holds the one table of statuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class ServeError(Exception):
    """The root; never raised itself."""

    code: ClassVar[str] = "serve_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RequestRejected(ServeError):
    """The caller must change the request."""


class MalformedRequest(RequestRejected):
    """The body is no request of ours at all: not JSON, not an object, no inputs."""

    code = "malformed_request"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with the inputs: where ('inputs[3].mean radius', '' for all of it), and a sentence saying what.

    A place is a path into the body; the sentence names it too, and neither repeats the data.
    """

    place: str
    detail: str


class InvalidInputs(RequestRejected):
    """The body is well formed and does not fit the model's signature; `flaws` says all that is wrong, up to a bound."""

    code = "invalid_inputs"
    MOST_FLAWS: ClassVar[int] = 20

    def __init__(self, detail: str, place: str = "", *, flaws: Sequence[Flaw] = ()) -> None:
        self.flaws = tuple(flaws)[: self.MOST_FLAWS] or (Flaw(place, detail),)
        super().__init__(self.flaws[0].detail)


class ModelNotFound(RequestRejected):
    """No live model has that name."""

    code = "model_not_found"

    def __init__(self, name: str | None, live: tuple[str, ...]) -> None:
        names = ", ".join(live) or "none"
        super().__init__(
            f"no model named '{name}' is live; live models: {names}"
            if name is not None
            else f"several models are live ({names}): name one, as in /models/{live[0]}/predict"
        )


class VersionNotFound(RequestRejected):
    """The live model of that name is of another version."""

    code = "version_not_found"

    def __init__(self, name: str, version: str, versions: tuple[str, ...]) -> None:
        super().__init__(f"model '{name}' is not live in version '{version[:80]}'; its version is {versions[0]}")


class RouteNotFound(RequestRejected):
    """No such path is served."""

    code = "not_found"


class MethodNotAllowed(RequestRejected):
    """The route takes another HTTP method."""

    code = "method_not_allowed"


class PayloadTooLarge(RequestRejected):
    """The body or its rows exceed a limit."""

    code = "payload_too_large"


class UnsupportedContent(RequestRejected):
    """The body is of a content type that is not read here."""

    code = "unsupported_content"


class NotAcceptable(RequestRejected):
    """The caller asks for an answer in a form that can't be given."""

    code = "not_acceptable"


class Unavailable(ServeError):
    """The caller may try again, after `again_seconds` or so where that is known."""

    again_seconds: float = 0.0


class QueueFull(Unavailable):
    """More rows wait than the queue may hold."""

    code = "queue_full"

    def __init__(self, model: str, limit: int, wait_seconds: float = 0.0) -> None:
        super().__init__(f"model '{model}' has {limit} rows waiting, as many as its queue holds: try again later")
        self.again_seconds = wait_seconds


class WaitTooLong(QueueFull):
    """Those that wait already would keep the request waiting for longer than it may."""

    code = "wait_too_long"

    def __init__(self, model: str, wait_seconds: float, allowed_seconds: float) -> None:
        told = f"model '{model}' is busy for about {wait_seconds:.2g} seconds, and this request may wait"
        Unavailable.__init__(self, f"{told} {allowed_seconds:.2g}: try again later")
        self.again_seconds = wait_seconds


class BodiesFull(QueueFull):
    """The bodies of other requests take up all the memory that bodies may."""

    def __init__(self, limit: int) -> None:
        Unavailable.__init__(self, f"the server holds {limit} bytes of requests, as many as it may: try again later")


class DeadlineExceeded(Unavailable):
    """The answer did not come in time."""

    code = "deadline_exceeded"

    def __init__(self, model: str, seconds: float) -> None:
        super().__init__(f"model '{model}' did not answer within {seconds:g} seconds")


class ReadTooSlowly(DeadlineExceeded):
    """The caller of an answer in chunks did not take them."""

    code = "read_too_slowly"

    def __init__(self, model: str, seconds: float) -> None:
        told = (
            f"no chunk of model '{model}' was taken for {seconds:g} seconds, so the stream was ended: read on in time"
        )
        Unavailable.__init__(self, told)


class WorkerDied(Unavailable):
    """The worker died with the request, which is not tried again: it may have, elsewhere, or its stream had begun."""

    code = "worker_died"

    def __init__(self, model: str, how: str) -> None:
        super().__init__(f"a worker of model '{model}' died while predicting ({how})")


class AsideDied(WorkerDied):
    """The process that read or wrote a large body died with it, and so did the one that tried it again."""

    def __init__(self, how: str) -> None:
        Unavailable.__init__(self, f"a process died while reading or writing this request's data ({how})")


class NotReady(Unavailable):
    """Nothing is live yet, or every worker is gone."""

    code = "not_ready"


class ModelFailed(ServeError):
    """The model's author must look."""


class PredictFailed(ModelFailed):
    """The model raised. The traceback goes to the log, never to the caller."""

    code = "predict_failed"

    def __init__(self, model: str, kind: str, message: str, trace: str) -> None:
        super().__init__(f"model '{model}' failed on this input ({kind}); the server's log has the details")
        self.kind, self.detail, self.trace = kind, message, trace


class BadOutput(ModelFailed):
    """The model did not answer each row with one row, as it did at its promotion."""

    code = "bad_output"

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"model '{model}' answered {detail}: its author must look")


class OutputTooLarge(ModelFailed):
    """The model's answer has more bytes than `worker.max_answer_bytes`."""

    code = "output_too_large"

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"model '{model}' answered too much: {detail}")


class WorkerCrashed(ModelFailed):
    """The request ended the worker that held it, and the one that tried it again by itself."""

    code = "worker_crashed"

    def __init__(self, model: str, how: str) -> None:
        super().__init__(f"this request ends the workers of model '{model}' ({how}); it is not tried again")


class InternalError(ServeError):
    """A fault of the server's own; the log has it."""

    code = "internal_error"


class RolloutFailed(ServeError):
    """The operator must look; what is live stays live.

    `transient` says whether trying the same pin again later can help without anyone touching git.
    """

    transient: ClassVar[bool] = False


class PinUnreadable(RolloutFailed):
    """models.dvc is missing, half-written, or not what a promotion writes."""

    code = "pin_unreadable"


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
        place = f" ({error.filename})" if error.filename else ""
        super().__init__(f"the machine refused what this takes: {error.strerror or error}{place}")


class LoadFailed(RolloutFailed):
    """A worker could not load the model."""

    code = "load_failed"


class GoldenMismatch(RolloutFailed):
    """The loaded model does not reproduce the answers recorded at its promotion."""

    code = "golden_mismatch"


class FellBack(RolloutFailed):
    """The release went live, failed soon after, and the one before is live again."""

    code = "fell_back"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}, so the release before is live again; this one is tried again once git changes")
