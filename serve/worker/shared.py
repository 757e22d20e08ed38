"""What the workers of a pool share: its limits, its queue, what batches cost, and who killed a worker before."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Histogram

from serve.batch.batcher import Batcher
from serve.batch.policy import Policy
from serve.child import wire
from serve.errors import NotReady
from serve.metrics import Metrics, Seconds
from serve.worker.backoff import Backoff
from serve.worker.killers import Killers


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many workers, how large a batch and a queue (rows, seconds), how long a load may take (seconds).

    A batch may take the model `predict_timeout_seconds`; an idle process is asked every `heartbeat_seconds` whether it
    is there, and has as long to say so; one of more than `max_memory_bytes` is replaced, and answers of more than
    `max_answer_bytes` are refused. Workers take `devices` in turn; where there are none, MLflow chooses.
    """

    workers: int
    max_batch_rows: int
    max_waiting_rows: int
    load_timeout_seconds: float
    max_batch_seconds: float | None = None
    max_waiting_seconds: float = float("inf")
    devices: tuple[str, ...] = ()
    predict_timeout_seconds: float = float("inf")
    heartbeat_seconds: float = 2.0
    max_memory_bytes: int | None = None
    max_answer_bytes: int = wire.MAX_BODY_BYTES


class Shared:
    """What the workers of a pool share."""

    def __init__(
        self,
        name: str,
        batcher: Batcher,
        policy: Policy,
        limits: PoolLimits,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.name, self.batcher, self.policy, self.limits, self.metrics = name, batcher, policy, limits, metrics
        self.clock = clock
        self.killers, self.backoff = Killers(), Backoff()
        self.given_up = False  # no worker is there, and none to be expected soon
        self.deaths = 0
        self.why = ""  # the last worker died, or none could take its place
        self.alive: Callable[[], int] = lambda: 0
        self.queue_seconds: Seconds = metrics.stages.series(name, "queue")
        self.predict_seconds: Seconds = metrics.stages.series(name, "predict")
        self.batch_rows: Histogram = metrics.batch_rows.labels(name)
        for counter in (metrics.worker_deaths, metrics.worker_recycles):
            counter.labels(name)  # from 0 on, so that the first one is an increase
        for reason in ("cancelled", "deadline"):
            metrics.dropped_rows.labels(name, reason)

    def none_ready(self) -> NotReady:
        return NotReady(f"no worker of model '{self.name}' is ready: try again later")
