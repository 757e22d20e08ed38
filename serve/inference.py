"""A request's one path, whatever brought it: find the live model, check against its signature, ask its pool.

Transport-neutral: HTTP and gRPC both call it. A request in, a response naming model, digest, revision and run
out, or one of `errors`. Nothing unchecked enters a queue.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from serve.aside import Aside
from serve.child.wire import Value
from serve.errors import (
    DeadlineExceeded,
    InvalidInputs,
    ModelNotFound,
    NotAcceptable,
    NotReady,
    PayloadTooLarge,
    QueueFull,
    ServeError,
    VersionNotFound,
    WorkerCrashed,
    WorkerDied,
    outcome,
)
from serve.metrics import Metrics
from serve.request import Asked, InferenceRequest, InferenceResponse, InferenceStream, Turn
from serve.rollout import Deployed, Rollout
from serve.signature.binding import Bound

Written = TypeVar("Written")

_NOTHING = Value("json", ())


class Inference:
    """Answers requests from whatever `rollout` holds live at the moment they come."""

    def __init__(
        self,
        rollout: Rollout,
        metrics: Metrics,
        aside: Aside,
        default_model: str | None,
        max_rows: int,
        timeout_seconds: float,
    ) -> None:
        self._rollout, self._metrics, self._aside = rollout, metrics, aside
        self._default_model, self._max_rows, self._timeout = default_model, max_rows, timeout_seconds
        self._in_flight = 0  # requests that were let in and are not answered
        metrics.in_flight.set_function(lambda: self._in_flight)

    def ask(self, request: InferenceRequest) -> Asked | None:
        """Let the live model's workers have the request, or raise a `ServeError`; None where that is left to `infer`.

        Once there is a reply, or nobody waits for it any more, `answered` must be called.
        """
        reading = request.reading
        large = self._aside.takes(reading.size)
        short = getattr(reading, "short", None) if large else reading.bind
        if short is None:
            return None
        deployed = self._found(request)
        signature = deployed.snapshot.signature
        try:
            allowed = self._allowed(request)
            deployed.pool.require_room(allowed)
            bound = short(signature)
            if bound is None:
                return None
            self._check(request, deployed, bound)
            if bound.timeout_seconds is not None:
                allowed = min(allowed, bound.timeout_seconds)
                deployed.pool.require_room(allowed)
            entry = deployed.pool.ask(bound, allowed, 0, self._most_attempts(deployed), request.journey)
        except BaseException as error:
            if self._next(request, Turn(deployed), error) is not None:
                return None
            self._count(deployed.snapshot.name, deployed.revision, outcome(error))
            raise
        self._in_flight += 1
        return Asked(request, deployed, bound, entry)

    def answered(self, asked: Asked) -> InferenceResponse | Turn:
        """The live model's answer, or the `ServeError` in its place, or `CancelledError`; an answer is to be `written`.

        A turn, to be given to `again`, where its workers failed, and it may still be answered.
        """
        deployed = asked.deployed
        deployed.pool.forget(asked.entry)
        self._in_flight -= 1
        try:
            value = asked.entry.reply.result()
        except BaseException as error:
            after = self._next(asked.request, Turn(deployed), error)
            if after is None:
                self._count(deployed.snapshot.name, deployed.revision, outcome(error))
                raise
            return after
        return _response(deployed, asked.bound, value)

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        """The live model's answer, to be `written`, or a `ServeError`, however long it takes to read the request.

        Where its workers fail or are gone, and another release's are there, these are asked instead, once.
        """
        asked = self.ask(request)
        if asked is None:
            return await self.again(request, Turn(self._found(request)))
        try:
            with contextlib.suppress(ServeError):  # `answered` raises it
                await asked.entry.reply
        finally:
            answer = self.answered(asked)
        return answer if isinstance(answer, InferenceResponse) else await self.again(request, answer)

    async def again(self, request: InferenceRequest, turn: Turn) -> InferenceResponse:
        """As `infer`, from a turn on."""
        self._in_flight += 1
        try:
            bound, value = await self._predicted(request, turn)
        except BaseException as error:
            after = self._next(request, turn, error)
            if after is None:
                self._count(turn.deployed.snapshot.name, turn.deployed.revision, outcome(error))
                raise
        else:
            return _response(turn.deployed, bound, value)
        finally:
            self._in_flight -= 1
        return await self.again(request, after)

    def _next(self, request: InferenceRequest, turn: Turn, error: BaseException) -> Turn | None:
        """Whose turn it is where that of `turn` ended in an error; None where this is the answer."""
        if turn.first is not None:
            return None
        died = type(error) is WorkerDied  # and not what reads large bodies
        full = isinstance(error, QueueFull) and turn.deployed.pool.deaths > 0
        if not (died or full or isinstance(error, NotReady)):
            return None
        found = self._rollout.stand_in(turn.deployed)
        if found is None or not (request.version is None or found.is_version(request.version)):
            found = turn.deployed if died else None
        return Turn(found, int(died), first=turn.deployed) if found is not None else None

    def _most_attempts(self, deployed: Deployed) -> int:
        """Workers of a release that may die with a request: two, or one where another release's may be tried too."""
        return 1 if self._rollout.held is not None and self._rollout.stand_in(deployed) is not None else 2

    async def _predicted(self, request: InferenceRequest, turn: Turn) -> tuple[Bound, Value]:
        """What a worker takes, and its answer."""
        deployed = turn.deployed
        bound, allowed = await self._bind(request, deployed)
        async with _within(deployed.snapshot.name, request.received, allowed):
            most = 2 if turn.first else self._most_attempts(deployed)
            entry = deployed.pool.ask(bound, allowed, turn.attempts, most, request.journey)
            try:
                return bound, await entry.reply
            except WorkerCrashed:
                if turn.first is not None:
                    turn.first.pool.remember_killer(bound)
                raise
            finally:
                deployed.pool.forget(entry)

    async def stream(self, request: InferenceRequest) -> InferenceStream:
        """The live model's answer in chunks, as soon as there is one, or a `ServeError`; counted once, at its end."""
        deployed = self._found(request)
        name = deployed.snapshot.name
        with self._counted(name, deployed.revision):
            if not deployed.pool.streams:
                raise NotAcceptable(f"model '{name}' has no predict_stream, so it can't stream: ask for another form")
            bound, allowed = await self._bind(request, deployed)
            _require_one_row(bound)
            async with _within(name, request.received, allowed):
                chunks = await deployed.pool.stream(bound, allowed, request.journey)
        self._in_flight += 1
        chunks.over.add_done_callback(lambda over: self._streamed(deployed, over.result()))
        return InferenceStream(name, chunks, bound, deployed.snapshot.signature, deployed.lineage)

    def is_large(self, response: InferenceResponse) -> bool:
        """Whether it is to be written aside."""
        return self._aside.takes(response.size)

    def write(self, response: InferenceResponse, write: Callable[[InferenceResponse], Written]) -> Written:
        """`write(response)`, of an answer that is not large; the request is counted by how that ends."""
        with self._counted(response.model, response.revision):
            written = write(response)
        self._count(response.model, response.revision, "ok")
        return written

    async def written(
        self, request: InferenceRequest, response: InferenceResponse, write: Callable[[InferenceResponse], Written]
    ) -> Written:
        """The same of any answer; made aside where it is large, `write` must be picklable."""
        with self._counted(response.model, response.revision):
            written = await self.written_chunk(request, response, write)
        self._count(response.model, response.revision, "ok")
        return written

    async def written_chunk(
        self, request: InferenceRequest, chunk: InferenceResponse, write: Callable[[InferenceResponse], Written]
    ) -> Written:
        """The same of one of many: their stream is counted at its end."""
        if not self.is_large(chunk):
            return write(chunk)
        told = chunk._replace(bound=chunk.bound._replace(value=_NOTHING))  # large too, and not asked for
        allowed = _shorter(self._allowed(request), chunk.bound.timeout_seconds)
        async with _within(chunk.model, request.received, allowed):
            return await self._aside.run(chunk.size, write, told)

    def refused(self, error: ServeError) -> None:
        """Count a request that was refused before any model was asked."""
        self._metrics.requests.count("", "", error.code)

    def find(self, name: str | None, version: str | None = None) -> Deployed:
        """The live model of that name and version; without a name the default, or the only one."""
        models = self._rollout.models
        if not models:
            raise NotReady("no release is live yet: see /health/ready")
        wanted = name or self._default_model or (next(iter(models)) if len(models) == 1 else None)
        if wanted is None or wanted not in models:
            raise ModelNotFound(wanted, tuple(models))
        deployed = models[wanted]
        if version is not None and not deployed.is_version(version):
            raise VersionNotFound(wanted, version, deployed.versions)
        return deployed

    def _found(self, request: InferenceRequest) -> Deployed:
        try:
            deployed = self.find(request.model, request.version)
        except ServeError as error:
            self.refused(error)
            raise
        return request.found(deployed)

    def _allowed(self, request: InferenceRequest) -> float:
        """Seconds that the request may take: the caller can only ask for fewer than the server allows."""
        return _shorter(self._timeout, request.timeout_seconds)

    def _streamed(self, deployed: Deployed, outcome: str) -> None:
        self._in_flight -= 1
        self._count(deployed.snapshot.name, deployed.revision, outcome)

    def _count(self, model: str, revision: str, outcome: str) -> None:
        self._metrics.requests.count(model, revision, outcome)

    @contextlib.contextmanager
    def _counted(self, model: str, revision: str) -> Iterator[None]:
        """Count a request that fails in the block."""
        try:
            yield
        except BaseException as error:
            self._count(model, revision, outcome(error))
            raise

    async def _bind(self, request: InferenceRequest, deployed: Deployed) -> tuple[Bound, float]:
        """What a worker takes, and the seconds, since it was received, that the request may take."""
        reading, allowed = request.reading, self._allowed(request)
        deployed.pool.require_room(allowed)
        async with _within(deployed.snapshot.name, request.received, allowed):
            bound = await self._aside.run(reading.size, reading.bind, deployed.snapshot.signature)
        self._check(request, deployed, bound)
        allowed = _shorter(allowed, bound.timeout_seconds)
        deployed.pool.require_room(request.received + allowed - time.perf_counter())  # others came meanwhile
        return bound, allowed

    def _check(self, request: InferenceRequest, deployed: Deployed, bound: Bound) -> None:
        if bound.rows > self._max_rows:
            raise PayloadTooLarge(f"the request has {bound.rows} rows; at most {self._max_rows} are taken at once")
        self._metrics.stages.series(deployed.snapshot.name, "parse").observe(time.perf_counter() - request.received)


def _response(deployed: Deployed, bound: Bound, value: Value) -> InferenceResponse:
    return InferenceResponse(deployed.snapshot.name, value, bound, deployed.snapshot.signature, deployed.lineage)


@contextlib.asynccontextmanager
async def _within(name: str, received: float, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(received + seconds - time.perf_counter()):
            yield
    except TimeoutError:
        raise DeadlineExceeded(name, seconds) from None


def _require_one_row(bound: Bound) -> None:
    """`InvalidInputs` for more: MLflow's `predict_stream` answers one row, and would say so only in the worker."""
    if bound.value.kind in ("array", "frame") and bound.rows != 1:
        raise InvalidInputs(f"a streamed answer is to one row; the request has {bound.rows}")


def _shorter(seconds: float, others: float | None) -> float:
    return seconds if others is None else min(seconds, others)
