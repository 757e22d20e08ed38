"""What is asked of a model and what it answers, whatever brought the request: plain data."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from serve.batch.batcher import Entry
from serve.batch.chunks import Chunks
from serve.child.wire import Value
from serve.journey import Journey
from serve.rollout import Deployed, Lineage
from serve.signature.binding import Bound
from serve.signature.spec import Signature


class Reading(Protocol):
    """A request's data as its dialect brought it. Frozen, picklable: it may be bound in another process."""

    @property
    def size(self) -> int:
        """Bytes to be read."""

    def bind(self, signature: Signature) -> Bound:
        """What a worker takes; `MalformedRequest` or `InvalidInputs` where the data is not that."""


class InferenceRequest(NamedTuple):
    """What a caller asks.

    `model` is None for the only or the default one; `version`, where given, must be the beginning of the live
    model's digest or revision; `received` is `perf_counter()`, from when on the caller waits `timeout_seconds` at most.
    `journey` says what the request is called.
    """

    model: str | None
    version: str | None
    reading: Reading
    received: float
    timeout_seconds: float | None = None
    journey: Journey | None = None

    def found(self, deployed: Deployed) -> Deployed:
        """The same, which it is asked of; whoever watches the request may know."""
        if self.journey is not None and self.journey.notes is not None:
            self.journey.notes.lineage = deployed.lineage
        return deployed


class InferenceResponse(NamedTuple):
    """The answer, and by whom: `lineage` holds the header lines naming model, digest, revision and run.

    `bound` is the request as it was understood, `signature` that of the model that answered. Where a large answer
    is written, the value in `bound` is left out.
    """

    model: str
    value: Value
    bound: Bound
    signature: Signature
    lineage: Lineage

    @property
    def revision(self) -> str:
        """The commit that pinned the model."""
        return dict(self.lineage)["x-model-revision"]

    @property
    def size(self) -> int:
        """Of its data, in bytes."""
        return sum([len(part.data) for part in self.value.parts])


@dataclass(frozen=True, slots=True)
class InferenceStream:
    """An answer in chunks, each an `InferenceResponse` of its own. Who leaves before its end closes `chunks`."""

    model: str
    chunks: Chunks
    bound: Bound
    signature: Signature
    lineage: Lineage

    def response(self, chunk: Value) -> InferenceResponse:
        return InferenceResponse(self.model, chunk, self.bound, self.signature, self.lineage)


class Turn(NamedTuple):
    """Whose workers are asked for an answer: the live release's, or, where these failed, another's or they once more.

    `attempts` workers died with the request before. `first` are the workers that failed; None where they are yet to.
    """

    deployed: Deployed
    attempts: int = 0
    first: Deployed | None = None


class Asked(NamedTuple):
    """A request in the hands of the workers; `entry.reply` is what is waited for."""

    request: InferenceRequest
    deployed: Deployed
    bound: Bound
    entry: Entry
