"""An open-loop load on the oracle: requests leave on time whatever becomes of the others, and each answer is checked.

`ask` goes out with rows of its own, unlike any other request's; what comes back must be those rows times the factor
that the answer declares, under a digest that always declares the same. So a lost, swapped, doubled, stale or mixed
answer shows, and not only a bad status. One `Load` is one story of one client, and keeps all that happened in it.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PATIENCE_SECONDS = 60.0
INNOCENT = "nap:0"  # no fault at all, in the column of faults: only alike requests share a batch


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request got, and after how many seconds; `cause` says in a word why it is no answer, where it is none.

    A cause is the code of an error answer, or the name of the exception where the connection gave none.
    """

    status: int
    cause: str
    body: Any
    headers: Mapping[str, str]
    seconds: float

    def flaw(self, rows: Sequence[float]) -> str:
        """What is wrong with this answer to the rows x; empty where it is right."""
        found = self.body["predictions"]
        factors = {row["factor"] for row in found}
        if len(found) != len(rows):
            return f"{len(rows)} rows became {len(found)}"
        if len(factors) != 1:
            return f"{rows} were answered by several releases, of factors {sorted(factors)}"
        factor = factors.pop()
        whose = [row["y"] / factor for row in found]
        return "" if whose == [*rows] else f"{[*rows]} got the answer of {whose}"


def unlike_any_other() -> float:
    """An x that no request had before: the server remembers those that ended its workers."""
    return -time.monotonic()


class Client:
    """Asks the oracle at `url`, over as many connections as it takes."""

    def __init__(self, url: str) -> None:
        self._url = url + "/predict"

    async def __aenter__(self) -> "Client":
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0)  # shorter than the server's, so no race
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, rows: Sequence[float], fault: str = INNOCENT, **headers: str) -> Reply:
        """The reply to rows of x of which the first asks for `fault`; where it is empty there is no such column."""
        inputs: dict[str, Any] = {"x": [*rows]}
        if fault:
            inputs["fault"] = [fault, *[None] * (len(rows) - 1)]
        began = time.monotonic()
        try:
            async with self._session.post(self._url, json={"inputs": inputs}, headers=headers) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Reply(0, type(error).__name__, None, {}, time.monotonic() - began)
        cause = "" if answer.status == 200 else body["code"]
        return Reply(answer.status, cause, body, answer.headers, time.monotonic() - began)


@dataclass
class Load:
    """A request every 1/`rate` seconds, `count` of them, or until the block is left.

    `sizes` are how many rows requests may have, `usual` is what every innocent asks for, such as "nap:0.005", and
    `faults` the share of requests that ask for each fault instead. A share `leaving` hangs up within 20 ms. Only an
    `obedient` client asks again as Retry-After says. `only`, where set, is the factor that requests sent from then
    on must be answered with.
    """

    url: str
    rate: float = 50.0
    count: int | None = None
    sizes: Sequence[int] = (1,)
    usual: str = INNOCENT
    faults: Mapping[str, float] = field(default_factory=dict)
    leaving: float = 0.0
    obedient: bool = False
    only: float | None = None
    seed: int = 0

    digests: list[str] = field(default_factory=list)  # of each right answer, in the order they came
    seconds: list[float] = field(default_factory=list)  # that each of them took
    lost: list[str] = field(default_factory=list)  # innocents with no answer, and why
    wrong: list[str] = field(default_factory=list)  # answers that are not right
    faulty: Counter[tuple[str, str]] = field(default_factory=Counter)  # what faulty requests got: fault, cause
    left: int = 0

    async def __aenter__(self) -> "Load":
        self._random = random.Random(self.seed)
        self._factors: dict[str, float] = {}
        self._stopped, self._progress = asyncio.Event(), asyncio.Event()
        self._client = await Client(self.url).__aenter__()
        self._main = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        await self._main
        await self._client.__aexit__()

    @property
    def answered(self) -> int:
        return len(self.digests)

    async def until(self, answered: int, seconds: float = 60.0) -> None:
        """Wait until that many more requests were answered or lost."""
        goal = self.answered + len(self.lost) + answered
        async with asyncio.timeout(seconds):
            while self.answered + len(self.lost) < goal:
                self._progress.clear()
                await self._progress.wait()

    async def over(self) -> None:
        """Wait for the last of `count` requests."""
        await asyncio.shield(self._main)

    async def ended(self, seconds: float) -> None:
        """Wait so many seconds, or until the last of `count` requests; none is sent after."""
        await asyncio.wait((self._main,), timeout=seconds)
        self._stopped.set()
        await self.over()

    def percentile(self, share: float) -> float:
        """So much of the right answers took at most so many seconds."""
        return sorted(self.seconds)[min(int(share * len(self.seconds)), len(self.seconds) - 1)]

    def require_nothing_lost(self) -> None:
        """Every innocent was answered, and rightly."""
        assert (self.lost, self.wrong) == ([], []), self.report()
        assert self.digests, "nothing was asked"

    def report(self) -> str:
        """Loss by cause, and how long answers took."""
        causes = Counter(one.partition(":")[0] for one in self.lost)
        took = ", ".join(
            f"p{share:.0%} {self.percentile(share) * 1000:.1f} ms" for share in (0.5, 0.99) if self.seconds
        )
        return (
            f"{self.answered} right ({took or 'none'}); {len(self.lost)} lost {dict(causes)}; {len(self.wrong)} wrong "
            f"{self.wrong[:5]}; {self.left} left; faulty {dict(self.faulty)}; first lost {self.lost[:3]}"
        )

    async def _run(self) -> None:
        began, x = time.monotonic(), itertools.count()
        async with asyncio.TaskGroup() as group:
            for number in range(self.count) if self.count else itertools.count():
                due = began + number / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if self._stopped.is_set():
                    return
                rows = [float(next(x)) for _ in range(self._random.choice(self.sizes))]
                group.create_task(self._one(rows, due))

    async def _one(self, rows: list[float], due: float) -> None:
        fault = next((fault for fault, share in self.faults.items() if self._random.random() < share), "")
        if not fault and self._random.random() < self.leaving:
            await self._leave(rows)
        elif fault:
            reply = await self._client.ask(rows, fault)
            self.faulty[fault, reply.cause] += 1
        else:
            await self._innocent(rows, due)
        self._progress.set()

    async def _leave(self, rows: list[float]) -> None:
        self.left += 1
        try:
            async with asyncio.timeout(self._random.uniform(0.0, 0.02)):
                await self._client.ask(rows, self.usual)
        except TimeoutError:
            pass

    async def _innocent(self, rows: list[float], due: float) -> None:
        only = self.only
        reply = await self._client.ask(rows, self.usual)
        while self.obedient and "Retry-After" in reply.headers and time.monotonic() < due + PATIENCE_SECONDS:
            await asyncio.sleep(float(reply.headers["Retry-After"]))
            reply = await self._client.ask(rows, self.usual)
        if reply.cause:
            self.lost.append(f"{reply.cause}: {reply.status} {reply.body}")
            return
        flaw = reply.flaw(rows) or self._misdeclared(reply, only)
        if flaw:
            self.wrong.append(flaw)
            return
        self.digests.append(reply.headers["x-model-digest"])
        self.seconds.append(time.monotonic() - due)

    def _misdeclared(self, reply: Reply, only: float | None) -> str:
        """Where the answer is of another release than its header says, or of one that was over when it was asked."""
        digest, factor = reply.headers["x-model-digest"], reply.body["predictions"][0]["factor"]
        if self._factors.setdefault(digest, factor) != factor:
            return f"the release of factor {self._factors[digest]} answered with factor {factor}"
        return f"stale: factor {factor} where it must be {only}" if only not in (None, factor) else ""
