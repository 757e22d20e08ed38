"""A request's one path, whatever brought it: find the live model, check against its signature, ask its pool.

Transport-neutral: HTTP and gRPC both call it. A request in, a response naming model, digest, revision and run
out, or one of `errors`. Nothing unchecked enters a queue.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from serve.child.wire import Value
from serve.errors import ModelNotFound, NotReady, PayloadTooLarge, ServeError, VersionNotFound
from serve.metrics import Metrics
from serve.rollout import Deployed, Rollout
from serve.signature.binding import Bound
from serve.signature.spec import Signature


class Reading(Protocol):
    """A request's data as its dialect brought it. Frozen, picklable: it may be bound in another process."""

    @property
    def size(self) -> int:
        """Bytes to be read."""

    def bind(self, signature: Signature) -> Bound:
        """What a worker takes; `MalformedRequest` or `InvalidInputs` where the data is not that."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a caller asks.

    `model` is None for the only or the default one; `version`, where given, must be the beginning of the live
    model's digest or revision; `received` is `perf_counter()`.
    """

    model: str | None
    version: str | None
    reading: Reading
    received: float


@dataclass(frozen=True, slots=True)
class InferenceResponse:
    """The answer, and by whom: `lineage` holds the header lines naming model, digest, revision and run.

    `bound` is the request as it was understood, `signature` that of the model that answered.
    """

    model: str
    value: Value
    bound: Bound
    signature: Signature
    lineage: Mapping[str, str]


class Inference:
    """Answers requests from whatever `rollout` holds live at the moment they come."""

    def __init__(
        self,
        rollout: Rollout,
        metrics: Metrics,
        default_model: str | None,
        max_rows: int,
        timeout_seconds: float,
    ) -> None:
        self._rollout, self._metrics = rollout, metrics
        self._default_model, self._max_rows, self._timeout = default_model, max_rows, timeout_seconds

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        """The live model's answer, or a `ServeError`."""
        try:
            deployed = self.find(request.model, request.version)
        except ServeError as error:
            self.refused(error)
            raise
        name = deployed.snapshot.name
        outcome = "cancelled"
        try:
            bound = self._bind(request.reading, deployed)
            self._metrics.stage_seconds.labels(name, "parse").observe(time.perf_counter() - request.received)
            value = await deployed.pool.predict(bound, self._timeout)
            outcome = "ok"
        except ServeError as error:
            outcome = error.code
            raise
        finally:
            self._metrics.requests.labels(name, deployed.revision, outcome).inc()
        return InferenceResponse(name, value, bound, deployed.snapshot.signature, deployed.lineage)

    def refused(self, error: ServeError) -> None:
        """Count a request that was refused before any model was asked."""
        self._metrics.requests.labels("", "", error.code).inc()

    def find(self, name: str | None, version: str | None = None) -> Deployed:
        """The live model of that name and version; without a name the default, or the only one."""
        models = self._rollout.models
        if not models:
            raise NotReady("no release is live yet: see /health/ready")
        wanted = name or self._default_model or (next(iter(models)) if len(models) == 1 else None)
        if wanted is None or wanted not in models:
            raise ModelNotFound(wanted, tuple(models))
        deployed = models[wanted]
        if version is not None and version not in deployed.versions:
            raise VersionNotFound(wanted, version, deployed.versions)
        return deployed

    def _bind(self, reading: Reading, deployed: Deployed) -> Bound:
        bound = reading.bind(deployed.snapshot.signature)
        if bound.rows > self._max_rows:
            raise PayloadTooLarge(f"the request has {bound.rows} rows; at most {self._max_rows} are taken at once")
        return bound
