"""A request's one path, whatever brought it: find the live model, check against its signature, ask its pool.

Transport-neutral: HTTP calls it today, other doors may. A request in, a response naming model, digest,
revision and run out, or one of `errors`. Nothing unchecked enters a queue.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from serve.child.wire import Value
from serve.errors import ModelNotFound, NotReady, PayloadTooLarge, ServeError
from serve.metrics import Metrics
from serve.rollout import Deployed, Rollout
from serve.signature.binding import Bound, bind
from serve.signature.payload import Payload


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a caller asks: `model` is None for the only or the default one; `received` is `perf_counter()`."""

    model: str | None
    payload: Payload
    received: float


@dataclass(frozen=True, slots=True)
class InferenceResponse:
    """The answer, and by whom: `lineage` holds the header lines naming model, digest, revision and run."""

    model: str
    value: Value
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
            deployed = self.find(request.model)
        except ServeError as error:
            self.refused(error)
            raise
        name = deployed.snapshot.name
        outcome = "cancelled"
        try:
            bound = self._bind(request.payload, deployed)
            self._metrics.stage_seconds.labels(name, "parse").observe(time.perf_counter() - request.received)
            value = await deployed.pool.predict(bound, self._timeout)
            outcome = "ok"
        except ServeError as error:
            outcome = error.code
            raise
        finally:
            self._metrics.requests.labels(name, deployed.revision, outcome).inc()
        return InferenceResponse(name, value, deployed.lineage)

    def refused(self, error: ServeError) -> None:
        """Count a request that was refused before any model was asked."""
        self._metrics.requests.labels("", "", error.code).inc()

    def find(self, name: str | None) -> Deployed:
        """The live model of that name; without a name the default, or the only one."""
        models = self._rollout.models
        if not models:
            raise NotReady("no release is live yet: see /health/ready")
        wanted = name or self._default_model or (next(iter(models)) if len(models) == 1 else None)
        if wanted is None or wanted not in models:
            raise ModelNotFound(wanted, tuple(models))
        return models[wanted]

    def _bind(self, payload: Payload, deployed: Deployed) -> Bound:
        bound = bind(payload, deployed.snapshot.signature)
        if bound.rows > self._max_rows:
            raise PayloadTooLarge(f"the request has {bound.rows} rows; at most {self._max_rows} are taken at once")
        return bound
