"""Every way Pinion can refuse or fail, drawn by who must act.

    ServeError
    ├── RequestRejected    the caller must change the request
    │   ├── MalformedRequest (TooDeep) · TargetTooLong · HeadersTooLarge · RequestTooSlow
    │   ├── InvalidInputs · PayloadTooLarge · UnsupportedContent · NotAcceptable
    │   ├── ModelNotFound · VersionNotFound · ReleaseNotFound · RouteNotFound · MethodNotAllowed
    │   └── Unauthenticated · Forbidden
    ├── Unavailable        the caller may try again
    │   ├── QueueFull (WaitTooLong, BodiesFull) · DeadlineExceeded (ReadTooSlowly) · WorkerDied (AsideDied) · NotReady
    │   └── TooManyConnections
    ├── ModelFailed        the model's author must look
    │   └── PredictFailed · BadOutput · OutputTooLarge · WorkerCrashed
    ├── InternalError      we must look
    ├── AccessUnreadable   the operator must look; who was let in before still is
    │   └── KeysUnreadable · CertificateUnreadable · IssuerUnreachable
    ├── SocketUnusable     the operator must look before the server starts
    └── RolloutFailed      the operator must look; traffic goes on with what is live
        ├── PinTooLarge · RemoteNotTrusted · ListingRefused
        ├── PinUnreadable · PullFailed · DigestMismatch · SnapshotUnreadable · MachineFailed
        ├── EnvironmentFailed · SandboxFailed · LoadFailed · GoldenMismatch · FellBack
        ├── SignatureRefused (SignatureMissing, SignatureUnreadable, SignatureOutdated, SignatureLax,
        │   SignatureOfAnother, SignatureMismatch, SignerUnknown)
        └── CommitRefused · FormatRefused · HashesMissing

Each class has a stable `code`, used in answers, logs and metrics alike, and one sentence as its message.
Nothing here knows HTTP: `front/status.py` holds the one table of statuses.
"""

from serve.errors.access import AccessUnreadable, CertificateUnreadable, IssuerUnreachable, KeysUnreadable
from serve.errors.blame import fault, outcome
from serve.errors.failed import BadOutput, InternalError, ModelFailed, OutputTooLarge, PredictFailed, WorkerCrashed
from serve.errors.rejected import (
    Flaw,
    Forbidden,
    HeadersTooLarge,
    InvalidInputs,
    MalformedRequest,
    MethodNotAllowed,
    ModelNotFound,
    NotAcceptable,
    PayloadTooLarge,
    ReleaseNotFound,
    RequestRejected,
    RequestTooSlow,
    RouteNotFound,
    TargetTooLong,
    TooDeep,
    Unauthenticated,
    UnsupportedContent,
    VersionNotFound,
)
from serve.errors.rollout import (
    DigestMismatch,
    EnvironmentFailed,
    FellBack,
    GoldenMismatch,
    ListingRefused,
    LoadFailed,
    MachineFailed,
    PinTooLarge,
    PinUnreadable,
    PullFailed,
    RemoteNotTrusted,
    RolloutFailed,
    SandboxFailed,
    SnapshotUnreadable,
)
from serve.errors.root import ServeError
from serve.errors.start import SocketUnusable
from serve.errors.trust import (
    CommitRefused,
    FormatRefused,
    HashesMissing,
    SignatureLax,
    SignatureMismatch,
    SignatureMissing,
    SignatureOfAnother,
    SignatureOutdated,
    SignatureRefused,
    SignatureUnreadable,
    SignerUnknown,
)
from serve.errors.unavailable import (
    AsideDied,
    BodiesFull,
    DeadlineExceeded,
    NotReady,
    QueueFull,
    ReadTooSlowly,
    TooManyConnections,
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
    "CommitRefused",
    "DeadlineExceeded",
    "DigestMismatch",
    "EnvironmentFailed",
    "FellBack",
    "Flaw",
    "Forbidden",
    "FormatRefused",
    "GoldenMismatch",
    "HashesMissing",
    "HeadersTooLarge",
    "InternalError",
    "InvalidInputs",
    "IssuerUnreachable",
    "KeysUnreadable",
    "ListingRefused",
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
    "PinTooLarge",
    "PinUnreadable",
    "PredictFailed",
    "PullFailed",
    "QueueFull",
    "ReadTooSlowly",
    "ReleaseNotFound",
    "RemoteNotTrusted",
    "RequestRejected",
    "RequestTooSlow",
    "RolloutFailed",
    "RouteNotFound",
    "SandboxFailed",
    "ServeError",
    "SignatureLax",
    "SignatureMismatch",
    "SignatureMissing",
    "SignatureOfAnother",
    "SignatureOutdated",
    "SignatureRefused",
    "SignatureUnreadable",
    "SignerUnknown",
    "SnapshotUnreadable",
    "SocketUnusable",
    "TargetTooLong",
    "TooDeep",
    "TooManyConnections",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedContent",
    "VersionNotFound",
    "WaitTooLong",
    "WorkerCrashed",
    "WorkerDied",
    "fault",
    "outcome",
]
