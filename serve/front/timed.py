"""How long requests took, from when they were here whole until their answers were ready to be sent.

Labels are the live models' own names, the dialect and the status: what a caller wrote is never one.
"""

import time

from serve.errors import ServeError
from serve.inference import Inference
from serve.metrics import Metrics
from serve.request import InferenceRequest


class Timed:
    """Those of one dialect."""

    def __init__(self, inference: Inference, metrics: Metrics, dialect: str) -> None:
        self._inference, self._seconds, self._dialect = inference, metrics.request_seconds, dialect

    def answered(self, model: str, status: int | str, received: float) -> None:
        """An answer of `model` is ready; `received` is a reading of `time.perf_counter()`."""
        self._seconds.series(model, self._dialect, str(status)).observe(time.perf_counter() - received)

    def refused(self, request: InferenceRequest | None, status: int | str, received: float) -> None:
        """A refusal is ready; there is no request where it could not be read."""
        self.answered(self._model(request) if request is not None else "", status, received)

    def _model(self, request: InferenceRequest) -> str:
        try:
            return self._inference.find(request.model, request.version).snapshot.name
        except ServeError:  # as it was refused for
            return ""
