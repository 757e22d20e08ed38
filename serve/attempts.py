"""What was tried to make pins live: the newest attempts as data, with the steps of each, and what is being done now.

`rollout` begins and ends an attempt, `loader` says what it does for it. What goes out is frozen; each attempt is told
with the code and the reason of its end. An attempt that ends as the one before it did is counted as another try of the
same, so that a release which can't go live does not push the others out. Owned by the event loop; a terminal may look.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

MOST = 50
RUNNING, LIVE, SUPERSEDED = "running", "live", "superseded"

# In the order in which a release takes them. What is warm already is admitted and switched to, and no more.
STEPS = ("admit", "pull", "verify", "environment", "start", "golden", "warm", "switch")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the desired pin is not live."""

    code: str
    message: str
    at: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to make a pin live; with `tries`, the newest of so many that ended alike, of which one began `since`.

    `models` are digests by name, `revision` is the commit that the pin is from ('' where git has none, or it is not
    known yet), `steps` are pairs of a word of `STEPS` and its seconds, `outcome` is 'running', 'live', 'superseded',
    'fell_back' or another error's code, and `reason` its message, '' where there is none.
    """

    began: str
    models: Mapping[str, str]
    revision: str = ""
    steps: tuple[tuple[str, float], ...] = ()
    outcome: str = RUNNING
    reason: str = ""
    tries: int = 1
    since: str = ""


@dataclass(frozen=True, slots=True)
class Doing:
    """What is being done now: a word of `STEPS`, it in a few words, and how far it is, where that can be seen."""

    step: str
    told: str
    seen: Callable[[], str] = field(default=str, compare=False)  # '' where there is nothing to see

    @property
    def progress(self) -> str:
        """As in '1.2 of 3.4 MB'."""
        return self.seen()


class Seen:
    """How far a step is, in the words of who sees it last."""

    def __init__(self) -> None:
        self._text = ""

    def tell(self, text: str) -> None:
        """This is what is to be seen now."""
        self._text = text

    def __call__(self) -> str:
        return self._text


def now() -> str:
    """The time as it is told: ISO 8601, UTC, in whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Attempts:
    """The newest attempts, the newest last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, told: Callable[[], str] = now) -> None:
        self.doing: Doing | None = None
        self.watched: Callable[[Doing, float | None], object] = _unwatched  # a step begins (None), and its seconds
        self._clock, self._told = clock, told
        self._kept: list[Attempt] = []

    def __iter__(self) -> Iterator[Attempt]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def running(self) -> Attempt | None:
        """The one that has not ended."""
        newest = self._kept[-1] if self._kept else None
        return newest if newest is not None and newest.outcome == RUNNING else None

    def begin(self, models: Mapping[str, str]) -> None:
        """An attempt begins; the one before it has ended."""
        began = self._told()
        self._kept = [*self._kept, Attempt(began, dict(models), since=began)][-MOST:]

    def is_from(self, revision: str) -> None:
        """The commit that the running attempt is from."""
        self._change(revision=revision)

    @contextmanager
    def step(self, step: str, told: str, seen: Callable[[], str] = str) -> Iterator[None]:
        """A step of the running attempt, for as long as the block lasts; `seen` is asked how far it is."""
        began, doing = self._clock(), Doing(step, told, seen)
        self.doing = doing
        self.watched(doing, None)
        try:
            yield
        except BaseException:
            self._took(doing, self._clock() - began)
            raise
        self._took(doing, self._clock() - began)
        self.watched(doing, self._clock() - began)

    def end(self, outcome: str, reason: str = "") -> None:
        """The running attempt has ended; where the one before ended alike, it was another try of it."""
        if self.running is None:
            return
        self._change(outcome=outcome, reason=reason)
        *_, before, newest = (None, *self._kept)
        if before is not None and outcome not in (LIVE, SUPERSEDED) and _alike(before, newest):
            self._kept[-2:] = [replace(newest, tries=before.tries + 1, since=before.since)]

    def refused(self, outcome: str, reason: str) -> None:
        """What git asks for could not be read, so that nothing was tried; what is running goes on."""
        at = len(self._kept) - (self.running is not None)
        moment = self._told()
        self._kept.insert(at, Attempt(moment, {}, outcome=outcome, reason=reason, since=moment))
        self._kept = self._kept[-MOST:]

    def fell_back(self, outcome: str, reason: str) -> None:
        """What went live last is live no more; another attempt may be running meanwhile."""
        for at in reversed(range(len(self._kept))):
            if self._kept[at].outcome == LIVE:
                self._kept[at] = replace(self._kept[at], outcome=outcome, reason=reason)
                return

    def _took(self, doing: Doing, seconds: float) -> None:
        running, self.doing = self.running, None
        if running is not None:
            taken = dict(running.steps)
            taken[doing.step] = round(taken.get(doing.step, 0.0) + seconds, 3)
            self._change(steps=tuple(taken.items()))

    def _change(self, **changed: object) -> None:
        if self.running is not None:
            self._kept[-1] = replace(self._kept[-1], **changed)  # type: ignore[arg-type]  # fields of ours, by name


def _unwatched(_: Doing, __: float | None) -> None:
    pass


def _alike(one: Attempt, other: Attempt) -> bool:
    return (one.models, one.outcome, one.reason) == (other.models, other.outcome, other.reason)
