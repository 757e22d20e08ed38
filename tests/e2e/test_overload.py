"""Row C-19: what is too much is refused at once, and the rest is answered as well and as soon as ever."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from tests.chaos.load import Client, Load, Reply
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import FULL, within

PREDICT_SECONDS = 0.05  # of the model, a row, for it gets one at a time
CAPACITY = 1 / PREDICT_SECONDS  # requests a second, and a bit less
MAX_WAITING_SECONDS = 0.5
MIB = 2**20


@dataclass(frozen=True)
class Form:
    """How long it takes, what of the peak is left, and how many are late, to one in time, until the pace is seen."""

    seconds: float
    goodput: float
    late: float


FORMS = [Form(4.0, 0.6, 1.0), pytest.param(Form(60.0, 0.9, 0.1), marks=[FULL, pytest.mark.timeout(600)])]


@pytest.fixture
def server(repository: Repository) -> Iterator[Server]:
    settings: dict[str, Any] = {"batch__max_rows": 1, "batch__max_waiting_seconds": MAX_WAITING_SECONDS}
    with Server(repository.folder, repository.state, **settings).ready() as one:
        yield one


@pytest.fixture
def patient(repository: Repository) -> Iterator[Server]:
    """Without a bound but what its callers say."""
    with Server(repository.folder, repository.state, batch__max_rows=1).ready() as one:
        yield one


@dataclass
class Storm:
    """What became of requests that came on time whatever became of the others, and in how many seconds all did."""

    replies: list[Reply] = field(default_factory=list)
    seconds: float = 0.0

    def of(self, status: int) -> list[Reply]:
        return [one for one in self.replies if one.status == status]

    @property
    def goodput(self) -> float:
        return len(self.of(200)) / self.seconds

    def slowest(self, share: float = 0.99) -> float:
        """So many of the answers took no longer than that, in seconds."""
        took = sorted(one.seconds for one in self.of(200))
        return took[int(share * (len(took) - 1))]


async def storm(server: Server, rate: float, seconds: float, **headers: str) -> Storm:
    found, began = Storm(), time.monotonic()

    async def one(client: Client, x: float) -> None:
        reply = await client.ask([x], f"nap:{PREDICT_SECONDS}", **headers)
        assert reply.status != 200 or not reply.flaw([x])
        found.replies.append(reply)

    async with Client(server.url) as client, asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - time.monotonic())
            group.create_task(one(client, float(number)))
    found.seconds = time.monotonic() - began
    return found


@pytest.mark.parametrize("form", FORMS)
async def test_at_five_times_its_capacity_a_server_answers_as_much_as_ever(server: Server, form: Form) -> None:
    front = psutil.Process(server.process.pid)
    peak = await storm(server, CAPACITY, form.seconds)
    memory = front.memory_info().rss
    found = await storm(server, 5 * CAPACITY, form.seconds)
    assert found.goodput > form.goodput * peak.goodput
    assert found.slowest() < within(2 * MAX_WAITING_SECONDS)
    assert front.memory_info().rss - memory < 32 * MIB
    refused = found.of(429)
    assert len(found.of(200)) + len(refused) == len(found.replies)
    assert {one.cause for one in refused} == {"wait_too_long"}
    assert {one.headers["Retry-After"] for one in refused} == {"1"}
    assert max(one.seconds for one in refused) < within(MAX_WAITING_SECONDS)
    async with Load(server.url, rate=CAPACITY / 4, count=20) as load:  # at once: nothing is left of it
        await load.over()
    load.require_nothing_lost()


@pytest.mark.parametrize("form", FORMS)
async def test_callers_in_a_hurry_are_answered_in_time_or_refused_at_once(patient: Server, form: Form) -> None:
    peak = await storm(patient, CAPACITY, form.seconds)
    found = await storm(patient, 5 * CAPACITY, form.seconds, **{"X-Request-Timeout": "0.5"})
    assert found.goodput > form.goodput * peak.goodput
    assert len(found.of(504)) < form.late * len(found.of(200))
    assert len(found.of(200)) + len(found.of(504)) + len(found.of(429)) == len(found.replies)


async def test_retry_after_follows_from_how_long_the_queue_is(patient: Server) -> None:
    async with Client(patient.url) as client, asyncio.TaskGroup() as group:
        for x in range(40):
            group.create_task(client.ask([float(x)], "nap:0.1"))
        refused: Reply | None = None
        while refused is None:  # once its pace has been seen: what the model was warmed with took it no time
            reply = await client.ask([0.0], **{"X-Request-Timeout": "0.5"})
            refused = reply if reply.status == 429 else None
        assert 2 <= int(refused.headers["Retry-After"]) <= 5
