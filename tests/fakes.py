"""Stand-ins that are things of their own: a clock moved by hand, and a sleep that plays out a story."""

from collections.abc import Callable, Sequence


class FakeClock:
    """Reads what it was set to, in seconds; time passes only by `advance`."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


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
