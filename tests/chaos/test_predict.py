"""Section C of the catalogue, where the model misbehaves: one bad request fails alone, whatever it does."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence

import pytest

from tests.chaos.conftest import MAX_ANSWER_BYTES, MIB, PREDICT_TIMEOUT_SECONDS, SETTINGS, whole
from tests.chaos.limits import limited, rss
from tests.chaos.load import INNOCENT, Client, Load, Reply, unlike_any_other
from tests.chaos.residue import eventually, no_residue
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import FULL, forms, within

UNHURRIED = {**SETTINGS, "worker__predict_timeout_seconds": 30.0}  # gigabytes take their time
# fmt: off
TYPES = [
    "true", "int", "float", "inf", "-inf", "text", "empty", "bytes", "none", "na", "nat", "date", "datetime",
    "zoned", "timestamp", "timedelta", "time", "decimal", "uuid", "period", "bool_", "int8", "uint64", "float16",
    "float32", "longdouble", "array", "list", "tuple", "set", "dict",
]
# fmt: on


async def crowd(server: Server, client: Client, faults: Sequence[str]) -> list[Reply]:
    """The replies to one row for each of `faults`, that waited together while both workers were busy."""
    naps = await _both_nap(server, client)
    replies = await asyncio.gather(*(client.ask([float(at)], fault) for at, fault in enumerate(faults)))
    await asyncio.gather(*naps)
    return replies


async def _both_nap(server: Server, client: Client) -> list[asyncio.Task[Reply]]:
    """What keeps both workers busy for a second.

    One is asked after the other, or they would share a batch. Where a heartbeat was taken for the first nap they do
    all the same: then once more.
    """
    for _ in range(5):
        assert await asyncio.to_thread(whole, server)
        naps = []
        for at in range(2):
            naps.append(asyncio.create_task(client.ask([float(at)], "nap:1.0")))
            await asyncio.to_thread(eventually, lambda at=at: server.busy() > at and server.busy() > at, 1.0)
        if server.busy() == 2:
            return naps
        await asyncio.gather(*naps)
    raise AssertionError("the two workers never napped at once")


def innocents_are_right(replies: Sequence[Reply], faults: Sequence[str]) -> bool:
    flaws = [one.cause or one.flaw([float(at)]) for at, one in enumerate(replies) if faults[at] == INNOCENT]
    return set(flaws) == {""}


async def test_c1_a_request_that_raises_fails_alone_and_costs_no_worker(abused: Server) -> None:
    before = abused.pids()
    with no_residue(abused):
        async with Load(abused.url, count=60, faults={"raise": 0.2}) as load:
            await load.over()
    load.require_nothing_lost()
    assert set(load.faulty) == {("raise", "predict_failed")}
    assert abused.pids() == before
    told = abused.predict({"inputs": {"x": [1.0], "fault": ["raise"]}})
    assert told.status_code == 500
    assert not any(secret in told.text for secret in ("hunter2", "Traceback", "oracle.py"))


@pytest.mark.parametrize("poisons", [1, 3])
@forms(2, 250)
async def test_c2_poison_fails_alone_in_a_batch_of_16(abused: Server, poisons: int, times: int) -> None:
    faults = ["raise"] * poisons + [INNOCENT] * (16 - poisons)
    before = abused.pids()
    async with Client(abused.url) as client:
        for _ in range(times):
            replies = await crowd(abused, client, faults)
            assert innocents_are_right(replies, faults)
            assert [one.cause for one in replies[:poisons]] == ["predict_failed"] * poisons
    assert abused.pids() == before


@pytest.mark.parametrize("fault", ["segv", "exit"])
@forms(1, 10)
async def test_c3_a_request_that_kills_its_worker_costs_two_and_no_other_answer(
    abused: Server, fault: str, times: int
) -> None:
    with no_residue(abused):
        for _ in range(times):
            await require_killer_is_refused(abused, fault)
            assert whole(abused)


async def require_killer_is_refused(server: Server, fault: str) -> None:
    deaths, x = server.count("worker died"), unlike_any_other()
    async with Load(server.url) as load, Client(server.url) as client:
        await load.until(answered=10)
        first, again = await client.ask([x], fault), await client.ask([x], fault)
        await load.until(answered=50)
    load.require_nothing_lost()
    assert [(one.status, one.cause) for one in (first, again)] == [(500, "worker_crashed")] * 2
    assert server.count("worker died") - deaths <= 2


@pytest.mark.parametrize("fault", ["hang", "loop", "gil"])
@forms(1, 10)
async def test_c5_a_hung_predict_gets_504_in_time_and_its_mates_their_answers(
    abused: Server, fault: str, times: int
) -> None:
    with no_residue(abused):
        for _ in range(times):
            assert whole(abused)
            async with Client(abused.url) as client:
                alone, *others = await asyncio.gather(
                    client.ask([1.0], fault), *(client.ask([float(x)], "") for x in range(8))
                )
                assert (alone.status, alone.cause) == (504, "deadline_exceeded")
                assert abused.count("worker stuck") > 0
                assert alone.seconds < PREDICT_TIMEOUT_SECONDS + within(0.5)
                assert all(one.flaw([float(x)]) == "" for x, one in enumerate(others))
                faults = [INNOCENT, INNOCENT, fault, INNOCENT]
                replies = await crowd(abused, client, faults)
                assert innocents_are_right(replies, faults)
                assert replies[2].cause == "deadline_exceeded"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("rows-1", "bad_output"),
        ("rows+1", "bad_output"),
        ("rows0", "bad_output"),
        ("generator", "predict_failed"),
        ("scalar", "bad_output"),
        ("none", "bad_output"),
    ],
)
@forms(150, 17_000)
async def test_c9_a_wrong_number_of_rows_is_a_model_fault_and_never_given_to_another(
    abused: Server, fault: str, cause: str, times: int
) -> None:
    before = abused.pids()
    async with Load(abused.url, rate=150, count=times, sizes=(1, 2, 3, 7), faults={fault: 0.2}) as load:
        await load.over()
    load.require_nothing_lost()
    assert abused.pids() == before
    assert set(load.faulty) == {(fault, cause)}


@forms(150, 6000)
async def test_c11_answers_of_other_types_and_shapes_spoil_none(abused: Server, times: int) -> None:
    faults = {"huge:10": 0.1, "nan": 0.1, "item:dict": 0.1, "rows+1": 0.1, "scalar": 0.1}
    async with Load(abused.url, rate=100, count=times, sizes=(1, 4), faults=faults) as load:
        await load.over()
    load.require_nothing_lost()
    assert len({fault for fault, _ in load.faulty}) == len(faults)


@forms(150, 6000)
async def test_c12_requests_of_other_columns_in_one_window_are_kept_apart(abused: Server, times: int) -> None:
    loads = [Load(abused.url, rate=50, count=times // 2, usual=usual, sizes=(1, 3)) for usual in ("", INNOCENT)]
    async with loads[0], loads[1]:
        await asyncio.gather(*(load.over() for load in loads))
    for load in loads:
        load.require_nothing_lost()


@pytest.mark.parametrize("size", [64 * MIB, pytest.param(1024 * MIB, marks=FULL)])
async def test_c13_a_huge_answer_is_refused_before_the_front_holds_it(repository: Repository, size: int) -> None:
    with Server(repository.folder, repository.state, **UNHURRIED).ready() as server:
        before = rss(server.process.pid)
        async with Load(server.url) as load, Client(server.url) as client:
            reply = await client.ask([1.0], f"huge:{size}")
            await load.until(answered=20)
        load.require_nothing_lost()
        assert (reply.status, reply.cause) == (500, "output_too_large")
        assert rss(server.process.pid) - before < 2 * MAX_ANSWER_BYTES + 16 * MIB


async def test_c14_every_type_of_item_is_answered_in_valid_json(abused: Server) -> None:
    for name in TYPES:
        told = abused.predict({"inputs": {"x": [1.0], "fault": [f"item:{name}"]}})
        assert told.status_code == 200, (name, told.text)
        json.loads(told.text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize("recycles", [1, pytest.param(5, marks=[FULL, pytest.mark.timeout(900)])])
async def test_c15_a_leaking_worker_is_replaced_before_it_leaves(repository: Repository, recycles: int) -> None:
    settings = {**UNHURRIED, "worker__max_memory_bytes": 500 * MIB}
    with Server(repository.folder, repository.state, **settings).ready() as server:
        async with Load(server.url, rate=100, usual="leak:3") as load:
            await server.seen("worker recycled", count=recycles, seconds=60.0 * recycles)
            await load.until(answered=50)
        load.require_nothing_lost()
        assert server.count("worker died") == 0
        assert whole(server)
        for pid in server.pids():
            assert rss(pid) < 1000 * MIB


async def test_c16_a_worker_killed_for_its_memory_costs_no_other_answer(repository: Repository) -> None:
    with (
        Server(repository.folder, repository.state, **UNHURRIED).ready() as server,
        limited([server.process.pid, *server.pids()], 1200 * MIB),
    ):
        for pid in server.pids():
            os.kill(pid, signal.SIGKILL)  # those that take their place begin in the group
        await server.seen("worker replaced", count=2)
        await require_killer_is_refused(server, "oom:2048")
        assert server.wait("worker died", server.count("worker died"))["how"] == "killed by SIGKILL, out of memory"
        assert whole(server)


@pytest.mark.parametrize("fault", ["mutate", "close"])
async def test_c22_a_model_that_changes_its_process_changes_no_other_answer(server: Server, fault: str) -> None:
    """On a server of its own: the process serves on with what is left of it."""
    async with Load(server.url, count=100, faults={fault: 0.1}) as load:
        await load.over()
    load.require_nothing_lost()
    assert set(load.faulty) == {(fault, "")}


async def test_c22_a_worker_that_closes_its_connection_is_replaced(abused: Server) -> None:
    await require_killer_is_refused(abused, "close:all")
    assert whole(abused)
