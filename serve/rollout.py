"""From a pin to what is live: fetch, verify, environment, workers, golden answers, then one assignment.

`live` is what answers requests, `desired` what git asks for. The new pools are warm before the assignment, the
old ones drain after it; a pin that fails anywhere leaves `live` as it was, and `failure` says why. The newest
pin wins: an attempt it overtakes is cancelled, and leaves nothing behind. One task, `follow`, owns all of it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from serve import golden
from serve.artifact import fetch, history, snapshot
from serve.artifact.fetch import Store
from serve.artifact.pin import Pin
from serve.artifact.snapshot import Snapshot
from serve.errors import LoadFailed, RolloutFailed, ServeError
from serve.log import working
from serve.metrics import Metrics
from serve.worker import environment
from serve.worker.environment import EnvironmentPolicy
from serve.worker.pool import Pool, PoolLimits
from serve.worker.process import Command

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """How releases are made; times in seconds."""

    limits: PoolLimits
    threads: int
    environment: EnvironmentPolicy
    pull_timeout_seconds: float
    build_timeout_seconds: float
    golden_timeout_seconds: float
    drain_timeout_seconds: float
    first_retry_seconds: float
    longest_retry_seconds: float


Lineage = tuple[tuple[str, str], ...]  # the header lines of an answer that name its model, digest, revision and run


@dataclass(frozen=True, slots=True)
class Deployed:
    """One live model: its bytes, the commit that pinned it, its workers, and the headers of its answers."""

    snapshot: Snapshot
    revision: str
    pool: Pool
    since: str
    lineage: Lineage

    @property
    def versions(self) -> tuple[str, ...]:
        """The names this version answers to: its digest's and its revision's first twelve digits, and both whole."""
        digest = self.snapshot.digest.removeprefix("sha256:")
        return (digest[:12], self.revision[:12], digest, self.revision)


@dataclass(frozen=True, slots=True)
class Live:
    """A release that answers requests: its models by name."""

    pin: Pin
    models: Mapping[str, Deployed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the desired pin is not live."""

    code: str
    message: str
    at: str


class Rollout:
    """Owner of what is live. `sleep` is an argument so that tests need not wait."""

    def __init__(
        self,
        store: Store,
        options: RolloutOptions,
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.live: Live | None = None
        self.desired: Pin | None = None
        self.failure: Failure | None = None
        self._store, self._options, self._metrics, self._sleep = store, options, metrics, sleep
        self._draining: set[asyncio.Task[None]] = set()

    @property
    def models(self) -> Mapping[str, Deployed]:
        """The live models by name; empty before the first release is live."""
        return self.live.models if self.live is not None else {}

    @property
    def ready(self) -> bool:
        """Whether every live model has a worker that can answer."""
        return bool(self.models) and all(one.pool.alive for one in self.models.values())

    async def follow(self, pins: AsyncIterator[Pin]) -> None:
        """Make each pin live as it comes, until cancelled."""
        attempt: asyncio.Task[None] | None = None
        try:
            async for pin in pins:
                await _cancelled(attempt)
                self.desired, self.failure = pin, None
                attempt = asyncio.create_task(self._until_live(pin))
        finally:
            await _cancelled(attempt)

    async def close(self) -> None:
        """Drain what is live, and wait for what was draining already."""
        live, self.live = self.live, None
        for deployed in live.models.values() if live else ():
            self._retire(deployed)
        await asyncio.gather(*self._draining)

    async def release(self, pin: Pin) -> None:
        """Make `pin` live; `RolloutFailed` where it can't be, with everything as before."""
        began = time.monotonic()
        kept = {name: one for name, one in self.models.items() if _pinned(pin, one.snapshot)}
        snapshots = [one for one in await self.prepare(pin) if one.name not in kept]
        started = await self._start_all(snapshots, pin)
        before, models = self.models, {**kept, **started}
        self.live = Live(pin, {model.name: models[model.name] for model in pin.models})
        for name, one in before.items():
            if name not in kept:
                self._retire(one)
        self._announce(self.live, sorted(started), round(time.monotonic() - began, 1))

    async def prepare(self, pin: Pin) -> list[Snapshot]:
        """Everything a release needs on disk, short of starting it: verified snapshots and environments."""
        with working(f"pulling {pin.size / 1e6:.1f} MB"):
            pulled = await fetch.fetch(self._store, pin, self._options.pull_timeout_seconds)
        if pulled:
            log.info("pulled", models=[model.name for model in pin.models], bytes=pin.size, files=pin.files)
        snapshots = [await asyncio.to_thread(snapshot.verified, self._store, model) for model in pin.models]
        for one in snapshots:
            log.info("verified", model=one.name, digest=one.digest)
            await self._interpreter(one)
        return snapshots

    async def _until_live(self, pin: Pin) -> None:
        """Try `pin`, and again with growing pauses where another try may help."""
        pause = self._options.first_retry_seconds
        while True:
            try:
                await self.release(pin)
            except RolloutFailed as error:
                self._note_failure(error)
                if not error.transient:
                    return
            except asyncio.CancelledError:
                self._metrics.rollouts.labels("superseded").inc()
                raise
            except Exception as error:  # a fault of ours must not end the watch either
                log.exception("rollout failed unexpectedly")
                self._note_failure(LoadFailed(f"unexpected {type(error).__name__}; see the log"))
                return
            else:
                self.failure = None
                self._metrics.rollouts.labels("live").inc()
                return
            await self._sleep(pause)
            pause = min(pause * 2, self._options.longest_retry_seconds)

    def _note_failure(self, error: RolloutFailed) -> None:
        self.failure = Failure(error.code, error.message, _now())
        self._metrics.rollouts.labels(error.code).inc()
        log.error("rollout failed", code=error.code, reason=error.message, live=sorted(self.models))

    async def _start_all(self, snapshots: list[Snapshot], pin: Pin) -> dict[str, Deployed]:
        """A warm pool for each snapshot; where one fails, none is left."""
        pools: dict[str, Pool] = {}
        try:
            for one in snapshots:
                pools[one.name] = await self._start(one)
            revisions = await asyncio.to_thread(history.revisions, self._store.repo, pin)
        except BaseException:
            await asyncio.gather(*(pool.stop() for pool in pools.values()))
            raise
        return {one.name: _deployed(one, revisions[one.name], pools[one.name]) for one in snapshots}

    async def _start(self, one: Snapshot) -> Pool:
        """A pool that has loaded the model and reproduced its golden answers."""
        options = self._options
        command = Command(
            name=one.name,
            digest=one.digest,
            folder=one.model_folder,
            python=await self._interpreter(one),
            threads=options.threads,
            state=self._store.state,
        )
        pool = Pool(command, options.limits, self._metrics, one.promotion.batchable)
        with working(f"loading {one.name}"):
            await pool.start()
            try:
                await golden.replay(one.name, one.golden, one.signature, pool, options.golden_timeout_seconds)
                await self._warm(one, pool)
            except BaseException:
                await pool.stop()
                raise
        log.info("warm", model=one.name, workers=options.limits.workers, golden=len(one.golden.cases))
        return pool

    async def _warm(self, one: Snapshot, pool: Pool) -> None:
        """Show the model the batch sizes it will see; what it can't answer, it need not go live without."""
        row = golden.row(one.golden, one.signature) if one.promotion.batchable else None
        if row is not None:
            with contextlib.suppress(ServeError):
                await pool.warm(row, self._options.golden_timeout_seconds)

    async def _interpreter(self, one: Snapshot) -> Path:
        options = self._options
        with working(f"making the environment of {one.name}: {len(one.recipe.requirements)} packages"):
            return await environment.interpreter(
                one.recipe, self._store.state, options.environment, options.build_timeout_seconds
            )

    def _announce(self, live: Live, started: list[str], seconds: float) -> None:
        self._metrics.live.clear()
        for name, one in live.models.items():
            run = one.snapshot.promotion.run
            self._metrics.live.labels(name, one.snapshot.digest, one.revision, run).set(1)
            log.info("live", model=name, revision=one.revision[:12], digest=one.snapshot.digest[:19], run=run)
        log.info("release live", started=started, kept=sorted(live.models.keys() - set(started)), seconds=seconds)

    def _retire(self, deployed: Deployed) -> None:
        """Let an old pool finish what it took, then stop it, while we go on."""
        task = asyncio.create_task(self._drain(deployed.pool))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _drain(self, pool: Pool) -> None:
        await pool.drain(self._options.drain_timeout_seconds)
        for one in self.models.values():  # after a rollback one may have the labels that this pool just took away
            one.pool.count()


def _deployed(one: Snapshot, revision: str, pool: Pool) -> Deployed:
    lineage = (
        ("x-model-name", one.name),
        ("x-model-digest", one.digest),
        ("x-model-revision", revision),
        ("x-model-run", one.promotion.run),
    )
    return Deployed(one, revision, pool, _now(), lineage)


def _pinned(pin: Pin, one: Snapshot) -> bool:
    return any(model.name == one.name and model.digest == one.digest for model in pin.models)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    """Cancel a task, once however often asked, and wait for its end.

    Where the waiter is cancelled itself, as by SIGTERM in the middle of a switch, that must neither be taken for
    the task's own end nor disturb the task while it cleans up.
    """
    if task is not None:
        if not task.cancelling():
            task.cancel()
        await asyncio.wait((task,))
