"""Stand-ins that are things of their own: clocks moved by hand, a loop on such a time, a sleep that plays out a story;
a loader and pools that do as they are told."""

import asyncio
import heapq
import itertools
import selectors
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serve.artifact.commits import Origin
from serve.artifact.pin import Pin
from serve.artifact.snapshot import Promotion
from serve.errors import CommitRefused, LoadFailed
from serve.loader import Deployed


class FakeClock:
    """Reads what it was set to, in seconds; time passes only by `advance`."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on a fake clock's time: where nothing is left to do but wait, the wait is over at once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(_Hasty(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock()


class _Hasty(selectors.SelectSelector):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everyone waits, and nothing will come"
        self._clock.advance(timeout)
        return super().select(0)


class StoryOver(Exception):
    """The last step of a story was played."""


class FakeSleep:
    """Instead of sleeping, plays the next step of a story; raises `StoryOver` after the last.

    `slept` holds how long each sleep would have taken.
    """

    def __init__(self, steps: Sequence[Callable[[], object]]) -> None:
        self.slept: list[float] = []
        self._steps = iter(steps)

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        step = next(self._steps, None)
        if step is None:
            raise StoryOver
        step()


class Hourglass:
    """Instead of sleeping, waits until as much time was let pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    async def __call__(self, seconds: float) -> None:
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._number), sleeper))
        await sleeper

    async def passes(self, seconds: float) -> None:
        """Let time pass; whoever wakes meanwhile does what it can before it passes on."""
        end = self.now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)
            await settled()
        self.now = end


async def settled() -> None:
    """Let everyone go on until nobody can without something new; enough turns of the loop for anything here."""
    for _ in range(30):
        await asyncio.sleep(0)


class FakePool:
    """Workers that are only counted; it drains until `emptied`."""

    def __init__(self, name: str) -> None:
        self.name, self.state = name, "ready"
        self.alive, self.deaths, self.given_up = 1, 0, False
        self.emptied = asyncio.Event()

    async def drain(self, timeout_seconds: float) -> None:
        self.state = "draining"
        await self.emptied.wait()
        await self.stop()

    async def stop(self) -> None:
        self.state, self.alive = "stopped", 0


@dataclass(frozen=True, eq=False)
class FakeSnapshot:
    """As much of a snapshot as a rollout looks at."""

    name: str
    digest: str
    folder: Path = Path()
    promotion: Promotion = field(default_factory=lambda: Promotion("run", {}, True, {}))


class FakeLoader:
    """Prepares at once, and loads when it is let: a step of `verdicts` ends one load, with an error where it is one."""

    def __init__(self) -> None:
        self.pools: list[FakePool] = []
        self.prepared: list[Pin] = []
        self.origins: dict[str, Origin] = {}
        self.refused: list[Pin] = []
        self.loading = 0
        self.used: set[str] = set()  # digests of what was not to be collected
        self.verdicts: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def admit(self, pin: Pin) -> Origin | None:
        """The commit that `origins` names for it; `CommitRefused` where it is to be refused."""
        if pin in self.refused:
            raise CommitRefused("it is not signed")
        return self.origins.get(pin.oid)

    async def prepare(self, pin: Pin) -> list[FakeSnapshot]:
        self.prepared.append(pin)
        return [FakeSnapshot(model.name, model.digest) for model in pin.models]

    async def load(self, snapshots: list[FakeSnapshot], pin: Pin) -> dict[str, Deployed]:
        self.loading += 1
        try:
            verdict = await self.verdicts.get()
        finally:
            self.loading -= 1
        if verdict is not None:
            raise verdict
        return {one.name: self._deployed(one) for one in snapshots}

    def fails(self) -> None:
        """Whoever loads, or loads next, can't."""
        self.verdicts.put_nowait(LoadFailed("it can't be loaded"))

    def succeeds(self) -> None:
        self.verdicts.put_nowait(None)

    async def collect(self, used: Iterable[FakeSnapshot]) -> None:
        self.used = {one.digest for one in used}

    def close(self) -> None:
        self.used = set()

    def _deployed(self, snapshot: Any) -> Deployed:
        pool: Any = FakePool(snapshot.name)
        self.pools.append(pool)
        return Deployed(snapshot, "abc", pool, "now", ())
