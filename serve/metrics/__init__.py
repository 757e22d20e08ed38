"""Every Prometheus metric of the server, declared once on an explicit registry.

Built in `app.py` and handed to the rooms. What every request touches is counted in plain Python; what a room knows
anyway is read when somebody asks (`collectors`). Labels are names of models, git revisions and fixed words only, so no
caller can grow the number of series. The same words stand in logs and in answers. docs/metrics.md is made from this.
"""

from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from serve.metrics.collectors import Counted, Read, Requests, Seconds, Timings

__all__ = ["Metrics", "Seconds"]

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
_ROLLOUT_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

One = TypeVar("One", bound=Collector)


class Metrics:
    """The server's metrics, all on `registry`; `declared` has them as they are declared."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.declared: list[Collector] = []
        self._of_requests()
        self._of_queues()
        self._of_workers()
        self._of_releases()
        self._of_what_is_live()
        self._of_the_door()
        self._of_who_watches()
        self._of_the_server()

    def _declare(self, one: One) -> One:
        self.registry.register(one)
        self.declared.append(one)
        return one

    def _of_requests(self) -> None:
        self.requests = self._declare(
            Requests(
                "pinion_requests",
                "Inference requests by model, revision, outcome ('ok' or an error code) and whose fault that is: "
                "'none', 'caller', 'overload', 'model' or 'server'. No model where none was asked.",
            )
        )
        self.request_seconds = self._declare(
            Timings(
                "pinion_request_seconds",
                "Seconds from when a request was here whole until its answer, or the first chunk of it, was ready to "
                "be sent, by dialect and status (over gRPC its name).",
                ("model", "dialect", "status"),
            )
        )
        self.stages = self._declare(
            Timings(
                "pinion_stage_seconds",
                "Seconds a request spent in each stage: parse, queue, predict (a batch) or first_chunk, encode.",
                ("model", "stage"),
            )
        )
        self.chunks = self._declare(Counter("pinion_chunks", "Chunks of streamed answers.", ["model"], registry=None))
        self.in_flight = self._declare(
            Gauge("pinion_requests_in_flight", "Inference requests taken and not answered yet.", registry=None)
        )

    def _of_queues(self) -> None:
        self.queue_rows = self._declare(Read("pinion_queue_rows", "Rows waiting for a worker.", ("model",)))
        self.queue_limit_rows = self._declare(
            Read("pinion_queue_limit_rows", "Most rows that may wait, of each model: batch.max_waiting_rows.")
        )
        self.queue_wait_seconds = self._declare(
            Read(
                "pinion_queue_wait_seconds",
                "Seconds that who comes now would wait for a worker, as predicted; who may wait less is refused.",
                ("model",),
                whole=max,
            )
        )
        self.batch_rows = self._declare(
            Histogram(
                "pinion_batch_rows", "Rows in each batch given to a worker.", ["model"], buckets=_ROWS, registry=None
            )
        )
        self.dropped_rows = self._declare(
            Counter(
                "pinion_dropped_rows",
                "Rows that left the queue for no worker: their callers were gone ('cancelled') or past their "
                "'deadline'.",
                ["model", "reason"],
                registry=None,
            )
        )

    def _of_workers(self) -> None:
        self.workers = self._declare(
            Read("pinion_workers", "Workers by state: starting, ready, busy or dead.", ("model", "digest", "state"))
        )
        self.worker_memory_bytes = self._declare(
            Read("pinion_worker_memory_bytes", "Memory of each worker's process.", ("model", "digest", "worker"))
        )
        self.worker_cpu_seconds = self._declare(
            Counted(
                "pinion_worker_cpu_seconds",
                "Processor time of each worker's process; another process begins anew.",
                ("model", "digest", "worker"),
            )
        )
        self.worker_deaths = self._declare(
            Counter("pinion_worker_deaths", "Workers that died without being asked to.", ["model"], registry=None)
        )
        self.worker_recycles = self._declare(
            Counter("pinion_worker_recycles", "Workers replaced for the memory they took.", ["model"], registry=None)
        )

    def _of_releases(self) -> None:
        self.rollouts = self._declare(
            Counter(
                "pinion_rollouts",
                "Releases tried, by outcome ('live', 'superseded' or an error code).",
                ["outcome"],
                registry=None,
            )
        )
        self.rollout_seconds = self._declare(
            Histogram(
                "pinion_rollout_seconds",
                "Seconds that each release took to go live, once it was tried.",
                buckets=_ROLLOUT_SECONDS,
                registry=None,
            )
        )

    def _of_what_is_live(self) -> None:
        self.live = self._declare(
            Gauge(
                "pinion_live_model_info",
                "1 for each model of the live release.",
                ["model", "digest", "revision", "run"],
                registry=None,
            )
        )
        self.release_live = self._declare(
            Gauge(
                "pinion_release_live_timestamp_seconds",
                "When the last release went live; 0 before the first one.",
                registry=None,
            )
        )
        self.release_pending = self._declare(
            Read(
                "pinion_release_pending_timestamp_seconds",
                "When git began to ask for a release that is not live; 0 where what git asks for is live.",
            )
        )
        self.release_failure = self._declare(
            Read(
                "pinion_release_failure",
                "1 while what git asks for is not live because it failed, by code; no series where it did not fail.",
                ("code",),
            )
        )
        self.last_pull = self._declare(
            Gauge(
                "pinion_last_pull_timestamp_seconds",
                "When DVC last brought a release's bytes; 0 where none was needed yet.",
                registry=None,
            )
        )

    def _of_the_door(self) -> None:
        self.ready = self._declare(
            Read("pinion_ready", "1 where requests are to be sent here, as /health/ready says; else 0.")
        )
        self.connections = self._declare(Read("pinion_connections", "Open connections."))
        self.connections_limit = self._declare(
            Read(
                "pinion_connections_limit", "Most connections at once: http.max_connections, or what descriptors allow."
            )
        )
        self.held_body_bytes = self._declare(Read("pinion_held_body_bytes", "Bytes of the bodies held now."))
        self.held_body_limit_bytes = self._declare(
            Read("pinion_held_body_limit_bytes", "Most bytes of bodies held at once: http.max_held_bytes.")
        )
        self.access_unreadable = self._declare(
            Read(
                "pinion_access_unreadable",
                "1 where keys, certificates or the issuer's keys can't be read as they are now, so that those known "
                "before go on; else 0.",
                ("what",),
            )
        )
        self.certificate_expiry = self._declare(
            Read(
                "pinion_certificate_expiry_timestamp_seconds",
                "When the first certificate of a file ends: the server's chain ('server'), or the authorities of "
                "clients ('client_ca').",
                ("what",),
            )
        )

    def _of_who_watches(self) -> None:
        self.dropped_spans = self._declare(
            Counter(
                "pinion_dropped_spans",
                "Spans that were not sent: too many waited, or nobody took them.",
                registry=None,
            )
        )
        self.recorded = self._declare(
            Counter("pinion_recorded_requests", "Predictions that were recorded.", registry=None)
        )
        self.unrecorded = self._declare(
            Counter(
                "pinion_unrecorded_requests",
                "Predictions that were to be recorded and were not: 'queue_full', 'disk' or 'too_large'.",
                ["reason"],
                registry=None,
            )
        )
        self.recording = self._declare(
            Gauge("pinion_recording", "1 while predictions are recorded, 0 where that is off or failed.", registry=None)
        )

    def _of_the_server(self) -> None:
        self.build = self._declare(Read("pinion_build_info", "1, with the versions.", ("version", "python")))
        self.loop_lag = self._declare(
            Timings(
                "pinion_event_loop_lag_seconds",
                "Seconds by which the event loop came late, looked at twice a second: all requests wait for it.",
            )
        )
        self.memory_limit_bytes = self._declare(
            Read(
                "pinion_memory_limit_bytes",
                "Memory that the server with its workers may take: what its control group grants, or all of the "
                "machine's.",
            )
        )
        self.disk_free_bytes = self._declare(
            Read("pinion_state_disk_free_bytes", "Free bytes where the state folder is.")
        )
        self.disk_size_bytes = self._declare(
            Read("pinion_state_disk_size_bytes", "All bytes of the disk where the state folder is.")
        )
        self.lost_lines = self._declare(
            Counted("pinion_log_lost_lines", "Lines of the log that were lost, in part or whole: nobody took them.")
        )
