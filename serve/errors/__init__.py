"""Every way Pinion can refuse or fail, drawn by who must act.

    ServeError
    ├── RequestRejected    the caller must change the request
    │   ├── MalformedRequest · InvalidInputs · PayloadTooLarge · UnsupportedContent · NotAcceptable
    │   ├── ModelNotFound · VersionNotFound · RouteNotFound · MethodNotAllowed
    │   └── Unauthenticated · Forbidden
    ├── Unavailable        the caller may try again
    │   ├── QueueFull (WaitTooLong, BodiesFull) · DeadlineExceeded (ReadTooSlowly) · WorkerDied (AsideDied) · NotReady
    ├── ModelFailed        the model's author must look
    │   └── PredictFailed · BadOutput · OutputTooLarge · WorkerCrashed
    ├── InternalError      we must look
    ├── AccessUnreadable   the operator must look; who was let in before still is
    │   └── KeysUnreadable · CertificateUnreadable · IssuerUnreachable
    └── RolloutFailed      the operator must look; traffic goes on with what is live
        ├── PinUnreadable · PullFailed · DigestMismatch · SnapshotUnreadable · MachineFailed
        └── EnvironmentFailed · LoadFailed · GoldenMismatch · FellBack

Each class has a stable `code`, used in answers, logs and metrics alike, and one sentence as its message.
Nothing here knows HTTP: `front/status.py` holds the one table of statuses.
"""

from serve.errors.access import AccessUnreadable, CertificateUnreadable, IssuerUnreachable, KeysUnreadable
from serve.errors.failed import BadOutput, InternalError, ModelFailed, OutputTooLarge, PredictFailed, WorkerCrashed
from serve.errors.rejected import (
    Flaw,
    Forbidden,
    InvalidInputs,
    MalformedRequest,
    MethodNotAllowed,
    ModelNotFound,
    NotAcceptable,
    PayloadTooLarge,
    RequestRejected,
    RouteNotFound,
    Unauthenticated,
    UnsupportedContent,
    VersionNotFound,
)
from serve.errors.rollout import (
    DigestMismatch,
    EnvironmentFailed,
    FellBack,
    GoldenMismatch,
    LoadFailed,
    MachineFailed,
    PinUnreadable,
    PullFailed,
    RolloutFailed,
    SnapshotUnreadable,
)
from serve.errors.root import ServeError
from serve.errors.unavailable import (
    AsideDied,
    BodiesFull,
    DeadlineExceeded,
    NotReady,
    QueueFull,
    ReadTooSlowly,
    Unavailable,
    WaitTooLong,
    WorkerDied,
)

__all__ = [
    "AccessUnreadable",
    "AsideDied",
    "BadOutput",
    "BodiesFull",
    "CertificateUnreadable",
    "DeadlineExceeded",
    "DigestMismatch",
    "EnvironmentFailed",
    "FellBack",
    "Flaw",
    "Forbidden",
    "GoldenMismatch",
    "InternalError",
    "InvalidInputs",
    "IssuerUnreachable",
    "KeysUnreadable",
    "LoadFailed",
    "MachineFailed",
    "MalformedRequest",
    "MethodNotAllowed",
    "ModelFailed",
    "ModelNotFound",
    "NotAcceptable",
    "NotReady",
    "OutputTooLarge",
    "PayloadTooLarge",
    "PinUnreadable",
    "PredictFailed",
    "PullFailed",
    "QueueFull",
    "ReadTooSlowly",
    "RequestRejected",
    "RolloutFailed",
    "RouteNotFound",
    "ServeError",
    "SnapshotUnreadable",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedContent",
    "VersionNotFound",
    "WaitTooLong",
    "WorkerCrashed",
    "WorkerDied",
]
