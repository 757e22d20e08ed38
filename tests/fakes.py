"""Stand-ins that are things of their own: a clock moved by hand, a loop on its time, a sleep that plays out a story."""

import asyncio
import selectors
from collections.abc import Callable, Sequence


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
