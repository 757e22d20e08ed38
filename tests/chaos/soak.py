"""Row H-1: a server under load, switches, kills and callers who leave, for as long as `make soak MINUTES=n` says.

Load A is 100 requests a second of one row, which take the model 5 ms, on two workers. Every 30 seconds a switch, every
20 a kill of a worker; one caller in ten leaves. What the front occupies is sampled, the last two thirds are fitted
with a line, and the slopes go beside the figures that pass: memory by 10,000 requests, all else as it was. Six switches
come before: in these the front grows by 2 to 3 MiB, once, as its garbage collector finds its pace.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import psutil
from matplotlib.figure import Figure

from tests.chaos.conftest import MIB, SETTINGS, copied, whole
from tests.chaos.load import Load
from tests.e2e.conftest import Repository, promotions
from tests.e2e.server import Server

RATE, BEFORE = 100.0, 6
SWITCH_SECONDS, KILL_SECONDS, SAMPLE_SECONDS = 30.0, 20.0, 1.0
LEAVING = 0.1
MOST_MIB_BY_10_000, MOST_MIB, MOST_OTHERS = 1.0, 32.0, 2.0
PLOT = Path("docs/reliability/soak.svg")


@dataclass(frozen=True)
class Sample:
    """What the front occupied when so many requests had been sent, `seconds` after the start."""

    seconds: float
    requests: int
    rss_mib: float
    descriptors: int
    threads: int
    zombies: int


@dataclass(frozen=True)
class Soaked:
    """A soak's samples, and what became of its load; `switches` and `kills` say how many there were."""

    samples: Sequence[Sample]
    load: Load
    switches: int
    kills: int

    @property
    def settled(self) -> Sequence[Sample]:
        """The last two thirds, in which a server that keeps what it should not shows it."""
        return self.samples[len(self.samples) // 3 :]

    @property
    def slope(self) -> float:
        """MiB by 10,000 requests."""
        requests = [one.requests for one in self.settled]
        return float(np.polyfit(requests, [one.rss_mib for one in self.settled], 1)[0] * 10_000)

    def grew(self, name: str) -> float:
        """By how much `name` lies higher in the last third of what settled than in the first, each by its median.

        A switch takes a second pool for a while: a third is long enough to hold as many of them as another.
        """
        values = [getattr(one, name) for one in self.settled]
        third = max(len(values) // 3, 1)
        return float(np.median(values[-third:]) - np.median(values[:third]))

    def verdict(self) -> list[str]:
        """Each figure beside the one that passes."""
        return [
            f"lost {len(self.load.lost)}, wrong {len(self.load.wrong)}: 0 and 0 pass",
            f"memory {self.slope:+.2f} MiB by 10,000 requests: at most {MOST_MIB_BY_10_000:g} passes",
            f"memory {self.grew('rss_mib'):+.1f} MiB in all: at most {MOST_MIB:g} passes",
            f"descriptors {self.grew('descriptors'):+.0f}: within {MOST_OTHERS:g} passes",
            f"threads {self.grew('threads'):+.0f}: within {MOST_OTHERS:g} passes",
            f"zombies at the end {self.samples[-1].zombies}: 0 passes",
        ]

    def require_flat(self) -> None:
        """All that is in the verdict passes, and there were switches and kills to survive."""
        told = "\n".join([*self.verdict(), self.load.report()])
        self.load.require_nothing_lost()
        assert self.slope <= MOST_MIB_BY_10_000, told
        assert self.grew("rss_mib") <= MOST_MIB, told
        assert max(abs(self.grew(name)) for name in ("descriptors", "threads")) <= MOST_OTHERS, told
        assert self.samples[-1].zombies == 0, told
        assert min(self.switches, self.kills) > 0


async def soak(repository: Repository, seconds: float, switch: float, kill: float, before: int = 0) -> Soaked:
    """Load a server of its own for so long, with a switch and a kill every so many seconds, and some `before`."""
    with Server(repository.folder, repository.state, **SETTINGS).ready() as server:
        for number in range(before):
            repository.checkout(number % 2)
            await server.seen("release live", number + 2)
        load = Load(server.url, rate=RATE, usual="nap:0.005", leaving=LEAVING)
        samples: list[Sample] = []
        async with (
            load,
            _going_on(_switches(repository, switch), _kills(server, kill), _sampled(server, load, samples)),
        ):
            await load.ended(seconds)
        assert await asyncio.to_thread(whole, server)
        samples.append(_sample(server, load, seconds))
        return Soaked(samples, load, server.count("release live") - 1 - before, server.count("worker died"))


async def _switches(repository: Repository, every: float) -> None:
    promotion = 1
    while True:
        await asyncio.sleep(every)
        promotion = 1 - promotion
        await asyncio.to_thread(repository.checkout, promotion)


async def _kills(server: Server, every: float) -> None:
    chosen = random.Random(0)
    while True:
        await asyncio.sleep(every)
        model = await asyncio.to_thread(server.model)
        with contextlib.suppress(ProcessLookupError):  # a switch was quicker
            os.kill(chosen.choice(model["workers"])["pid"], signal.SIGKILL)


async def _sampled(server: Server, load: Load, samples: list[Sample]) -> None:
    began = time.monotonic()
    while True:
        samples.append(_sample(server, load, time.monotonic() - began))
        await asyncio.sleep(SAMPLE_SECONDS)


def _sample(server: Server, load: Load, seconds: float) -> Sample:
    front = psutil.Process(server.process.pid)
    zombies = 0
    for child in front.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            zombies += child.status() == psutil.STATUS_ZOMBIE
    sent = load.answered + load.left + len(load.lost)
    return Sample(seconds, sent, front.memory_info().rss / MIB, front.num_fds(), front.num_threads(), zombies)


@contextlib.asynccontextmanager
async def _going_on(*stories: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The stories run beside the block, and end with it; one that fails fails the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(story) for story in stories]
        yield
        for task in tasks:
            task.cancel()


def plot(soaked: Soaked, path: Path) -> None:
    """Memory, descriptors and threads of the front against time."""
    minutes = [one.seconds / 60 for one in soaked.samples]
    panels = (("rss_mib", "Memory of the front, MiB"), ("descriptors", "Descriptors"), ("threads", "Threads"))
    with mpl.rc_context({"svg.hashsalt": "pinion", "font.family": "DejaVu Sans", "font.size": 9}):
        figure = Figure(figsize=(10.0, 3.2), layout="constrained", facecolor="white")
        for axes, (name, title) in zip(figure.subplots(1, len(panels)), panels, strict=True):
            values = [getattr(one, name) for one in soaked.samples]
            axes.plot(minutes, values, color="#0a4fd0", linewidth=1.6)
            axes.set_ylim(0, max(values) * 1.25)
            axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color="#1f2328")
            axes.set_xlabel("minutes", color="#656d76")
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.grid(axis="y", color="#e4e7eb", linewidth=0.8)
            axes.tick_params(length=0, colors="#656d76")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def main() -> int:
    """Soak for the minutes that are the first argument → 0 where all passes."""
    minutes = float(sys.argv[1])
    with tempfile.TemporaryDirectory() as root:
        base = Path(root)
        repository = copied(promotions(base / "promoted"), base)
        soaked = asyncio.run(soak(repository, minutes * 60, SWITCH_SECONDS, KILL_SECONDS, BEFORE))
    plot(soaked, PLOT)
    print(f"{minutes:g} minutes, {soaked.switches} switches, {soaked.kills} kills", *soaked.verdict(), sep="\n")  # noqa: T201
    print(soaked.load.report())  # noqa: T201
    try:
        soaked.require_flat()
    except AssertionError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
