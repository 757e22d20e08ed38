"""What is live: the newest pin that could be made ready, by one assignment; and the way back.

`live` is what answers requests, `desired` what git asks for, by the last pin that could be read. A pin that fails
anywhere, or can't be read, leaves `live` as it was, and `failure` says why. The newest pin wins: an attempt that it
overtakes is cancelled, and leaves nothing behind. The release before is `held` for a while, its workers warm: where
the new one fails in that time it is live again, and where git says so too; after it, what only the old one used is
drained. There are never more than two generations, of which one may be loading. One task, `follow`, makes releases;
another watches the newest while one is held.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass

import structlog

from serve.artifact import commits
from serve.artifact.pin import Pin
from serve.artifact.snapshot import Snapshot
from serve.attempts import LIVE, SUPERSEDED, Attempts, Failure, now
from serve.errors import FellBack, LoadFailed, PinUnreadable, RolloutFailed
from serve.loader import Deployed, Lineage, Live, Loader, already
from serve.metrics import Metrics
from serve.worker.pool import Pool

__all__ = ["Deployed", "Failure", "Lineage", "Live", "Rollout", "RolloutOptions"]

log = structlog.get_logger()

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """When to try again, to let go of the release before, and to fall back to it; times in seconds."""

    drain_timeout_seconds: float
    first_retry_seconds: float
    longest_retry_seconds: float
    hold_seconds: float
    fall_back_after: int


class Rollout:
    """Owner of what is live. `sleep` is an argument so that tests need not wait; `chance` is below 1."""

    def __init__(
        self,
        loader: Loader,
        options: RolloutOptions,
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        attempts: Attempts | None = None,
    ) -> None:
        self.live: Live | None = None
        self.held: Live | None = None
        self.desired: Pin | None = None
        self._failed: Failure | None = None
        self._unread: Failure | None = None
        self._asked = 0.0  # when git began to ask for what is desired
        # the loader's own, where they are to tell what it does
        self.attempts = attempts if attempts is not None else Attempts()
        self._loader, self._options, self._metrics = loader, options, metrics
        self._sleep, self._chance = sleep, chance
        self._trial: asyncio.Task[None] | None = None
        self._leaving: dict[asyncio.Task[None], Deployed] = {}

    @property
    def models(self) -> Mapping[str, Deployed]:
        """The live models by name; empty before the first release is live."""
        return self.live.models if self.live is not None else {}

    @property
    def ready(self) -> bool:
        """Whether every live model has a worker that can answer."""
        return self.live is not None and self.live.ready

    @property
    def failure(self) -> Failure | None:
        """Why what git asks for is not live; None where it is, or is on its way."""
        return self._unread or self._failed

    @property
    def pending_since(self) -> float:
        """When git began to ask for what is not live, as seconds since 1970; 0 where what it asks for is live."""
        is_live = self.live is not None and self.live.pin == self.desired
        return 0.0 if is_live else self._asked

    def stand_in(self, deployed: Deployed) -> Deployed | None:
        """Who may answer in the place of `deployed`, whose pool fails or is gone: what is live by now, else held."""
        for release in (self.live, self.held):
            one = release.models.get(deployed.snapshot.name) if release is not None else None
            if one is not None and one.pool is not deployed.pool:
                return one
        return None

    async def follow(self, pins: AsyncIterator[Pin | PinUnreadable]) -> None:
        """Make each pin live as it comes, until cancelled; while none can be read, all goes on as before."""
        attempt: asyncio.Task[None] | None = None
        try:
            async for pin in pins:
                if isinstance(pin, PinUnreadable):
                    self._unread = self._noted(pin)
                    self.attempts.refused(pin.code, pin.message)
                    continue
                self._unread = None
                if pin == self.desired:
                    continue
                self.desired, self._asked = pin, time.time()
                await _cancelled(attempt)
                self._failed = None
                attempt = asyncio.create_task(self._until_live(pin))
        finally:
            await _cancelled(attempt)

    async def close(self) -> None:
        """Drain what is live and what is held, and wait for what was draining already."""
        await _cancelled(self._trial)
        before, self.live, self.held = (self.live, self.held), None, None
        self._retire_unused(*before)
        await asyncio.gather(*self._leaving)
        self._loader.close()

    async def stop(self) -> None:
        """End every worker now; whatever waits for one is refused."""
        await asyncio.gather(*(one.pool.stop() for one in self._running()))

    async def release(self, pin: Pin) -> None:
        """Make `pin` live; `RolloutFailed` where it can't be, with everything as before."""
        began = time.monotonic()
        origin = await self._loader.admit(pin)  # also of what is warm: it need not have been live as one release
        self.attempts.is_from(origin.revision if origin is not None else "")
        models = self._warm(pin)
        if models is None:
            models = await self._load(pin, await self._loader.prepare(pin))
        before, older = self.models, commits.older(origin, self.live.origin if self.live is not None else None)
        with self.attempts.step("switch", "one assignment"):
            self._switch(Live(pin, {model.name: models[model.name] for model in pin.models}, origin, older))
            self._announce()
        self._metrics.rollout_seconds.observe(time.monotonic() - began)
        log.info(
            "release live",
            started=sorted(name for name, one in models.items() if before.get(name) is not one),
            kept=sorted(name for name, one in models.items() if before.get(name) is one),
            seconds=round(time.monotonic() - began, 1),
        )

    def _warm(self, pin: Pin) -> dict[str, Deployed] | None:
        """The models of `pin`, where the workers of each are here already, live or held."""
        found = already(pin, self.held, self.live)
        return found if len(found) == len(pin.models) else None

    async def _load(self, pin: Pin, snapshots: list[Snapshot]) -> dict[str, Deployed]:
        """The models of `pin`: those that are live as they are, the others with workers of their own."""
        kept = already(pin, self.live)
        if len(kept) < len(pin.models):
            self._end_hold()  # there is room for two generations, not for three
            kept |= await self._loader.load([one for one in snapshots if one.name not in kept], pin)
        return kept

    async def _until_live(self, pin: Pin) -> None:
        """Try `pin`, and again with growing pauses where another try may help."""
        pause = self._options.first_retry_seconds
        while True:
            self.attempts.begin({model.name: model.digest for model in pin.models})
            try:
                await self.release(pin)
            except RolloutFailed as error:
                self._fail(error)
                if not error.transient:
                    return
            except asyncio.CancelledError:
                self._metrics.rollouts.labels(SUPERSEDED).inc()
                self.attempts.end(SUPERSEDED)
                raise
            except Exception as error:  # a fault of ours must not end the watch either
                log.exception("rollout failed unexpectedly")
                self._fail(LoadFailed(f"unexpected {type(error).__name__}; see the log"))
                return
            else:
                break
            await self._sleep(pause * (1.0 - self._chance() / 4.0))  # servers that failed together try apart
            pause = min(pause * 2, self._options.longest_retry_seconds)
        self._failed = None
        self._metrics.rollouts.labels(LIVE).inc()
        self._metrics.release_live.set_to_current_time()
        self.attempts.end(LIVE)
        await self._collect()

    async def _collect(self) -> None:
        try:
            await self._loader.collect(one.snapshot for one in self._running())
        except Exception:  # what is left over on disk is no reason not to serve
            log.exception("collection failed unexpectedly")

    def _fail(self, error: RolloutFailed) -> None:
        self._failed = self._noted(error)
        self.attempts.end(error.code, error.message)

    def _noted(self, error: RolloutFailed) -> Failure:
        """It is counted, and told in the log."""
        self._metrics.rollouts.labels(error.code).inc()
        log.error("rollout failed", code=error.code, reason=error.message, live=sorted(self.models))
        return Failure(error.code, error.message, now())

    def _switch(self, to: Live) -> None:
        """The one assignment. The release before is held, where it could take over, and no other."""
        before, held = self.live, self.held
        self.live = to
        if before is None or to.pools == before.pools:
            return
        self._end_trial()
        self.held = before if self._options.hold_seconds and before.ready else None
        self._retire_unused(before, held)
        if self.held is not None:
            fresh = [one.pool for one in to.models.values() if one.pool not in before.pools]
            self._trial = asyncio.create_task(self._watch(fresh, self.held))

    async def _watch(self, fresh: list[Pool], held: Live) -> None:
        """Fall back to what is held where the workers of `fresh` fail; where they do well, let go of it."""
        deaths, waited = _deaths(fresh), 0.0
        while waited < self._options.hold_seconds or not all(pool.alive for pool in fresh):
            await self._sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
            died = _deaths(fresh) - deaths
            hopeless = [pool.name for pool in fresh if pool.given_up]
            if held.ready and (died >= self._options.fall_back_after or hopeless):
                told = f"model '{hopeless[0]}' had no worker left" if hopeless else f"{died} workers died"
                self._fall_back(held, FellBack(f"{told} within {waited:.0f} seconds of going live"))
                return
        self._trial = None
        self._end_hold()

    def _fall_back(self, held: Live, error: FellBack) -> None:
        """The same assignment again. What failed is ended at once: what it took is asked of its stand-in."""
        failed, self.live, self.held, self._trial = self.live, held, None, None
        self._announce()
        self._failed = self._noted(error)
        self.attempts.fell_back(error.code, error.message)
        for one in self._unused(failed):
            self._leave(one, one.pool.stop())

    def _end_hold(self) -> None:
        self._end_trial()
        held, self.held = self.held, None
        self._retire_unused(held)

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None

    def _announce(self) -> None:
        self._metrics.live.clear()
        for name, one in self.models.items():
            run = one.snapshot.promotion.run
            self._metrics.live.labels(name, one.snapshot.digest, one.revision, run).set(1)
            self._metrics.requests.expect(name, one.revision)
            log.info("live", model=name, revision=one.revision[:12], digest=one.snapshot.digest[:19], run=run)

    def _running(self) -> list[Deployed]:
        """Every model that has workers."""
        releases = [release.models.values() for release in (self.live, self.held) if release is not None]
        return [*self._leaving.values(), *(one for models in releases for one in models)]

    def _unused(self, *releases: Live | None) -> list[Deployed]:
        """The models of `releases` whose workers neither `live` nor `held` has, each once."""
        kept = {pool for release in (self.live, self.held) if release is not None for pool in release.pools}
        found = {one.pool: one for release in releases if release is not None for one in release.models.values()}
        return [one for pool, one in found.items() if pool not in kept]

    def _retire_unused(self, *releases: Live | None) -> None:
        """Let old pools finish what they took, then stop them, while we go on."""
        for one in self._unused(*releases):
            self._leave(one, one.pool.drain(self._options.drain_timeout_seconds))

    def _leave(self, deployed: Deployed, ending: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(ending)
        self._leaving[task] = deployed
        task.add_done_callback(self._leaving.pop)


def _deaths(pools: list[Pool]) -> int:
    return sum(pool.deaths for pool in pools)


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    """Cancel a task, once however often asked, and wait for its end.

    Where the waiter is cancelled itself, as by SIGTERM in the middle of a switch, that must neither be taken for
    the task's own end nor disturb the task while it cleans up.
    """
    if task is not None:
        if not task.cancelling():
            task.cancel()
        await asyncio.wait((task,))
