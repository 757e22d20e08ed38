"""Traces of requests by OpenTelemetry: a span for the door, for the queue and the model, and one for each batch.

A caller's `traceparent` is the parent, and says whether the request is sampled; where there is none, a ratio does. A
batch has a trace of its own, linked to the requests in it, as theirs are to it. Nothing is paid for what is not
sampled but that question. Beside `outgoing` the only file that imports OpenTelemetry, where traces are on and nowhere
else. Owned by the event loop.
"""

import random
import time
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from serve.journey import Batched, Journey, Notes, Parent
from serve.observe.seen import LEFT, Asked, Seen

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_MASK = 2**64 - 1


class Ids(IdGenerator):
    """Gives the next root span the number that its request has already."""

    def __init__(self) -> None:
        self._spans = RandomIdGenerator()
        self.trace = 0

    def generate_span_id(self) -> int:
        return self._spans.generate_span_id()

    def generate_trace_id(self) -> int:
        return self.trace


class Traces:
    """Spans of a `ratio` of the requests go to `outgoing`, from the service of this `version`."""

    def __init__(self, outgoing: SpanProcessor, ratio: float, version: str) -> None:
        named = Resource({"service.name": "pinion", "service.version": version}).merge(OTELResourceDetector().detect())
        self._ids, self._bound = Ids(), TraceIdRatioBased.get_bound_for_rate(ratio)
        provider = TracerProvider(ALWAYS_ON, named, shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(outgoing)
        self._tracer = provider.get_tracer("pinion", version)

    def wants(self, journey: Journey) -> bool:
        """Whether it is sampled: as its caller says, else by the number that its trace will have."""
        if journey.parent is not None:
            return journey.parent.sampled
        if not journey.trace:
            journey.trace = _random()
        return journey.trace & _MASK < self._bound

    def begin(self, journey: Journey, notes: Notes, asked: Asked) -> None:
        parent = journey.parent
        trace = parent.trace if parent is not None else journey.trace
        notes.trace_id = f"{trace:032x}"
        notes.span = self._span(
            f"{asked.method} {asked.route}".rstrip(),
            _within(parent),
            notes.began,
            kind=SpanKind.SERVER,
            trace=trace,
            attributes={
                "http.request.method": asked.method or "_OTHER",
                "http.route": asked.route,
                "url.path": asked.path,
                "pinion.request_id": journey.id,
            },
        )

    def batched(self, batch: Batched) -> None:
        spans = [notes.span for notes in batch.notes if notes.span is not None]
        if not spans:
            return
        span = self._span(
            "batch",
            Context(),
            batch.sent,
            trace=_random(),
            links=[Link(one.get_span_context()) for one in spans],
            attributes={
                "pinion.model.name": batch.model,
                "pinion.batch.requests": batch.requests,
                "pinion.batch.rows": batch.rows,
                "pinion.predict.seconds": batch.seconds,
            },
        )
        span.end(_wall(batch.answered))
        for notes in batch.notes:
            notes.batch = span.get_span_context()

    def seen(self, seen: Seen) -> None:
        notes, span = seen.notes, seen.notes.span
        if span is None:
            return
        within = set_span_in_context(span, Context())
        if notes.sent:
            self._span("queue", within, notes.arrived).end(_wall(notes.sent))
            links = [Link(notes.batch)] if notes.batch is not None else []
            self._span("predict", within, notes.sent, links=links).end(_wall(notes.answered))
        span.set_attributes(_attributes(seen))
        if seen.answered.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_wall(notes.began + seen.seconds))

    def _span(self, name: str, within: Context, began: float, *, trace: int = 0, **more: Any) -> Span:
        self._ids.trace = trace
        span = self._tracer.start_span(name, within, start_time=_wall(began), **more)
        assert isinstance(span, Span)
        return span


def _attributes(seen: Seen) -> dict[str, Any]:
    """What is known once a request is over, by the semantic conventions where they have a word."""
    answered, lineage = seen.answered, seen.lineage
    told = {
        "pinion.model.name": lineage.get("x-model-name"),
        "pinion.model.digest": lineage.get("x-model-digest"),
        "pinion.model.revision": lineage.get("x-model-revision"),
        "pinion.model.run": lineage.get("x-model-run"),
        "pinion.rows": seen.notes.rows or None,
        "enduser.id": seen.asked.caller or None,
        "http.response.status_code": answered.status if answered.status != LEFT else None,
        "http.response.body.size": answered.size,
        "error.type": str(answered.status) if answered.status >= 499 else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _within(parent: Parent | None) -> Context:
    """Where the caller's span is the parent, or nothing is."""
    if parent is None:
        return Context()
    remote = SpanContext(parent.trace, parent.span, is_remote=True, trace_flags=_SAMPLED)
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _random() -> int:
    return random.getrandbits(128) or 1  # no secret


def _wall(moment: float) -> int:
    """A reading of the monotonic clock as nanoseconds since the epoch."""
    return time.time_ns() - int((time.monotonic() - moment) * 1e9)
