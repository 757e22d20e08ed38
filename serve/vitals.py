"""What the server is at this moment, for its metrics: read off the rooms when somebody asks, or looked at now and then.

`tell` and `tell_of_the_server` are called once, by the composition root. `Vitals.follow` goes on while the server runs:
it sees how late the event loop comes, and, in a thread, for a disk may hang, how full the state folder's disk is.
"""

import asyncio
import contextlib
import platform
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from serve.access.access import Access
from serve.errors import RolloutFailed, fault
from serve.front.bodies import Bodies
from serve.front.crowd import Crowd
from serve.front.readiness import Readiness
from serve.groups import memory_bytes
from serve.metrics import Metrics
from serve.metrics.collectors import Samples
from serve.rollout import Rollout

log = structlog.get_logger()

_LOOK_SECONDS = 0.5
_LOOKS_AT_A_DISK = 20  # at each so many looks


class Vitals:
    """Of the loop it runs on, and of the disk of `state`."""

    def __init__(
        self,
        metrics: Metrics,
        state: Path,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lag, self._state, self._sleep, self._clock = metrics.loop_lag.series(), state, sleep, clock
        self._disk: tuple[int, int] | None = None  # its size, and what is free of it
        metrics.disk_size_bytes.add(lambda: self._of_disk(0))
        metrics.disk_free_bytes.add(lambda: self._of_disk(1))

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Within the block they are looked at."""
        task = asyncio.create_task(self.follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def follow(self) -> None:
        """Look, for ever."""
        looks = 0
        while True:
            if looks % _LOOKS_AT_A_DISK == 0:
                await self._look_at_disk()
            looks += 1
            due = self._clock() + _LOOK_SECONDS
            await self._sleep(_LOOK_SECONDS)
            self._lag.observe(max(0.0, self._clock() - due))

    async def _look_at_disk(self) -> None:
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self._state)
            self._disk = (usage.total, usage.free)
        except OSError as error:  # it is gone, and its metrics with it
            log.debug("disk unreadable", reason=str(error))
            self._disk = None

    def _of_disk(self, at: int) -> Samples:
        return [((), self._disk[at])] if self._disk is not None else ()


def tell(
    metrics: Metrics, rollout: Rollout, readiness: Readiness, crowd: Crowd, bodies: Bodies, access: Access
) -> None:
    """What the rooms know at the moment they are asked."""
    tell_of_releases(metrics, rollout)
    tell_of_the_door(metrics, readiness, crowd, bodies)
    tell_of_access(metrics, access)


def tell_of_releases(metrics: Metrics, rollout: Rollout) -> None:
    """What git desires and is not live; every outcome from 0 on, so that the first one is an increase."""
    for outcome in ("live", "superseded", *sorted(_codes(RolloutFailed))):
        metrics.rollouts.labels(outcome)
    metrics.release_pending.tell(lambda: rollout.pending_since)
    metrics.release_failure.add(lambda: [((rollout.failure.code,), 1.0)] if rollout.failure is not None else ())


def tell_of_the_door(metrics: Metrics, readiness: Readiness, crowd: Crowd, bodies: Bodies) -> None:
    """Who is connected, what is held for them, and whether more are to come."""
    metrics.ready.tell(lambda: float(readiness.ready))
    metrics.connections.tell(lambda: len(crowd))
    metrics.connections_limit.tell(lambda: crowd.limits.most)
    metrics.held_body_bytes.tell(lambda: bodies.held)
    metrics.held_body_limit_bytes.tell(lambda: bodies.max_held_bytes)


def tell_of_access(metrics: Metrics, access: Access) -> None:
    """What keys and certificates are worth."""
    metrics.access_unreadable.add(lambda: [((what,), float(is_so())) for what, is_so in access.unreadable.items()])
    certificates = access.certificates
    if certificates is not None:
        from serve.access.expiry import ends  # memory, which servers without certificates never need

        metrics.certificate_expiry.add(lambda: [((what,), end) for what, end in ends(certificates.pem)])


def tell_of_the_server(metrics: Metrics, version: str, max_waiting_rows: int) -> None:
    """What does not change while it runs."""
    metrics.requests.fault = fault
    metrics.build.add(lambda: [((version, platform.python_version()), 1.0)])
    metrics.queue_limit_rows.tell(lambda: max_waiting_rows)
    metrics.memory_limit_bytes.tell(memory_bytes)


def _codes(kind: type[RolloutFailed]) -> set[str]:
    """The codes of all errors of a kind."""
    return {kind.code}.union(*(_codes(one) for one in kind.__subclasses__())) - {RolloutFailed.code}
