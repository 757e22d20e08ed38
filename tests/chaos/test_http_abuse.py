"""Rows E-1 to E-7, E-9, E-14 and E-16 to E-18: abuse of HTTP on the real server, beside honest callers.

The quick forms have a server whose deadlines are short, the full ones the deadlines as they are by default.
"""

import asyncio
import json
import os
import re
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.chaos.attackers import Attack, connected, exchanged, idle
from tests.chaos.conftest import MIB, Abused
from tests.chaos.limits import rss
from tests.chaos.load import Load
from tests.chaos.residue import eventually, no_residue
from tests.e2e.conftest import Repository
from tests.e2e.server import Server
from tests.forms import FULL, TIMED, forms, within
from tests.serve.front.malformed import REFUSED, SMUGGLED

HEAD = b"POST /predict HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
FORMS = pytest.mark.parametrize(
    ("http", "count"),
    [("quick", 100), pytest.param("usual", 900, marks=[FULL, pytest.mark.timeout(600)])],
    indirect=["http"],
)


async def beside_honest_callers(http: Abused, attack: Attack, limit: float) -> Attack:
    """The attack, which must end by its limit and a second, while nobody else loses anything or waits for longer."""
    steady = Load(http.url, rate=50, count=100, usual="nap:0.005")
    async with steady:
        await steady.over()
    async with Load(http.url, rate=50, usual="nap:0.005") as load:
        await attack.over()
    for one in (steady, load):
        one.require_nothing_lost()
    assert limit * 0.9 < max(attack.seconds) < within(limit + 1.0)
    told = f"p99 {steady.percentile(0.99) * 1000:.1f} ms, {load.percentile(0.99) * 1000:.1f} ms beside the attack"
    assert load.percentile(0.99) <= within(max(2 * steady.percentile(0.99), 0.1)), told
    print(told)  # noqa: T201
    return attack


@TIMED
@FORMS
async def test_e1_headers_that_drip_are_refused_and_nobody_else_notices(http: Abused, count: int) -> None:
    limit = http.header_seconds
    attack = Attack(http.url, count, b"GET /models HTTP/1.1\r\nhost: here\r\nx: ", b"a", limit / 5)
    await beside_honest_callers(http, attack, limit)
    assert all(one.startswith(b"HTTP/1.1 408 ") and b"request_too_slow" in one for one in attack.told)


@TIMED
@FORMS
async def test_e2_bodies_that_drip_are_refused_and_nobody_else_notices(http: Abused, count: int) -> None:
    limit = http.body_seconds
    attack = Attack(http.url, count, HEAD + b"content-length: 100000\r\n\r\n{", b" ", limit / 20)
    await beside_honest_callers(http, attack, limit)
    assert all(one.startswith(b"HTTP/1.1 408 ") and b"request_too_slow" in one for one in attack.told)


@TIMED
@FORMS
async def test_e2_chunks_that_never_end_are_refused_and_nobody_else_notices(http: Abused, count: int) -> None:
    limit = http.body_seconds
    attack = Attack(http.url, count, HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", limit / 20)
    await beside_honest_callers(http, attack, limit)
    assert all(one.startswith(b"HTTP/1.1 408 ") and b"request_too_slow" in one for one in attack.told)


@TIMED
@pytest.mark.parametrize(
    ("descriptors", "count"), [(400, 1000), pytest.param(1024, 5000, marks=[FULL, pytest.mark.timeout(600)])]
)
async def test_e3_more_idle_connections_than_files_may_be_opened_shut_nobody_out(
    repository: Repository, descriptors: int, count: int
) -> None:
    before = ["prlimit", f"--nofile={descriptors}:{descriptors}"]
    with Server(repository.folder, repository.state, before=before, worker__count=2).ready() as server:
        front = psutil.Process(server.process.pid)
        with no_residue(server):
            async with idle(server.url, count), Load(server.url, rate=20) as load:
                assert front.num_fds() < descriptors
                await load.until(20)
                began = time.monotonic()
                assert (await asyncio.to_thread(server.get, "/health/ready")).status_code == 200
                assert time.monotonic() - began < within(1.0)
            async with idle(server.url, count):
                assert await asyncio.to_thread(front.cpu_percent, 3.0) < 20.0
                assert await asyncio.to_thread(eventually, lambda: front.num_fds() < 100, 15.0)
        load.require_nothing_lost()
        assert server.count("text") == 0


@pytest.mark.parametrize(
    ("http", "count"),
    [("quick", 4), pytest.param("usual", 20, marks=[FULL, pytest.mark.timeout(600)])],
    indirect=["http"],
)
async def test_e4_answers_that_nobody_reads_are_cut_in_time_and_their_memory_is_given_back(
    http: Abused, count: int
) -> None:
    body = json.dumps({"inputs": {"x": [1.0], "fault": [f"huge:{16 * MIB}"]}}).encode()  # more than the kernel takes
    ask = HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    taken = []
    for _ in range(4):
        before = cut(http)
        sockets = [await connected(http.url, 2**12) for _ in range(count)]
        try:
            for sock in sockets:
                await asyncio.get_running_loop().sock_sendall(sock, ask)
            enough = before + count
            assert await asyncio.to_thread(eventually, lambda: cut(http) >= enough, 120.0)  # noqa: B023  # awaited
        finally:
            for sock in sockets:
                sock.close()
        taken.append(rss(http.pid))
    told = f"{[one // MIB for one in taken]} MiB after {count}, again and again"
    print(told)  # noqa: T201
    assert taken[-1] < taken[1] + 2 * 16 * MIB, told  # what the allocator keeps it has by then, but for a buffer or two
    assert (await asyncio.to_thread(http.server.predict, {"inputs": {"x": [1.0]}})).status_code == 200


def cut(http: Abused) -> float:
    metrics = http.server.get("/metrics").text
    found = re.search(r'^pinion_requests_total\{.*outcome="read_too_slowly".*\} (.*)$', metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


JSON = {"content-type": "application/json"}
SECRET = b"c4n4ry"  # sent in bodies and headers
LEAK = re.compile(
    rb"Traceback|File \"|\.py\b|/tmp/|/root|/home|/usr|site-packages|httptools|uvicorn|serve\.|0x[0-9a-f]{6}|c4n4ry"
)


@pytest.mark.parametrize("http", ["quick"], indirect=True)
async def test_e5_e7_e14_what_is_no_request_is_refused_on_the_real_server_and_told_nothing(http: Abused) -> None:
    """E-6 too: all of it leaves the server's memory as it was."""
    for raw, _ in REFUSED.values():
        await exchanged(http.url, raw + SMUGGLED)
    before = rss(http.pid)
    for name, (raw, status) in REFUSED.items():
        told = await exchanged(http.url, raw.replace(b"hello", SECRET) + SMUGGLED * 2)
        if name == "a chunk over the limit":
            continue  # of a limit that is larger here
        assert told.startswith(b"HTTP/1.1 %d " % status), (name, told[:200])
        assert len(re.findall(rb"HTTP/1\.1 \d{3} ", told)) == 1, (name, told)
        assert not LEAK.search(told), (name, told)
    assert rss(http.pid) < before + 4 * MIB
    assert http.server.count("text") == 0


@TIMED
@pytest.mark.parametrize("http", ["quick"], indirect=True)
async def test_e6_a_body_in_chunks_of_one_byte_is_refused_before_it_takes_a_second(http: Abused) -> None:
    raw = HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * (8 * MIB)
    front = psutil.Process(http.pid)
    await exchanged(http.url, raw)
    before, spent = rss(http.pid), sum(front.cpu_times()[:2])
    told = await exchanged(http.url, raw)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert sum(front.cpu_times()[:2]) - spent < within(1.0)
    assert rss(http.pid) <= before + MIB


@TIMED
@pytest.mark.parametrize(
    ("http", "count", "size"),
    [("quick", 6, 4 * MIB), pytest.param("usual", 50, 32 * MIB - 64, marks=[FULL, pytest.mark.timeout(1800)])],
    indirect=["http"],
)
async def test_e9_bodies_that_grow_as_they_are_read_take_no_more_than_is_allowed(
    http: Abused, count: int, size: int
) -> None:
    grows = b'{"inputs": [' + b"[]," * ((size - 16) // 3) + b"[]]}"
    before = rss(http.pid)
    peak, times, done = 0, list[float](), False

    async def watch() -> None:
        nonlocal peak
        async with httpx.AsyncClient() as client:
            while not done:
                began = time.perf_counter()
                assert (await client.get(http.url + "/health/live", timeout=10)).status_code == 200
                times.append(time.perf_counter() - began)
                peak = max(peak, await asyncio.to_thread(memory, http.pid))
                await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    asked = [
        asyncio.to_thread(httpx.post, http.url + "/predict", content=grows, headers=JSON, timeout=300)
        for _ in range(count)
    ]
    answers = await asyncio.gather(*asked)
    done = True
    await watching
    assert {one.status_code for one in answers} <= {413, 422, 429, 504}, [one.text[:200] for one in answers]
    assert peak < 2048 * MIB
    assert rss(http.pid) < before + 3 * size + 64 * MIB, "what was refused is held"
    slowest = sorted(times)[int(len(times) * 0.99)]
    print(f"peak {peak / MIB:.0f} MiB, p99 of {len(times)} {slowest * 1000:.0f} ms")  # noqa: T201
    assert slowest < within(0.2)


def memory(pid: int) -> int:
    """Of the server and all that it started."""
    total = 0
    for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@TIMED
@pytest.mark.parametrize("http", ["quick"], indirect=True)
@forms(2000, 100_000)
async def test_e17_no_caller_makes_the_metrics_grow(http: Abused, times: int) -> None:
    methods = [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND", b"REPORT"]

    def strange(at: int) -> bytes:
        path = os.urandom(8).hex().encode()
        target = [b"/%b", b"/models/%b/predict", b"/v2/models/%b/infer", b"/v2/%b"][at % 4] % path
        return b"%b %b HTTP/1.1\r\nhost: %b\r\ncontent-length: 0\r\n\r\n" % (methods[at % 8], target, path)

    async def sent(count: int) -> None:
        last = b"GET /health/live HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"
        await exchanged(http.url, b"".join(map(strange, range(count))) + last, 600.0)

    await sent(64)
    before = series(http)
    for _ in range(0, times, 1000):
        await sent(1000)
    assert series(http) == before
    began = time.perf_counter()
    metrics = http.server.get("/metrics").content
    assert time.perf_counter() - began < within(0.1)
    assert len(metrics) < 256 * 2**10
    assert not LEAK.search(metrics)
    assert not LEAK.search(http.server.get("/models").content)


def series(http: Abused) -> set[str]:
    """The names and labels of all metrics."""
    lines = http.server.get("/metrics").text.splitlines()
    return {one.rpartition(" ")[0] for one in lines if not one.startswith("#")}


@pytest.mark.parametrize("http", ["quick"], indirect=True)
@forms(2, 30)
async def test_e18_connections_that_come_and_go_leave_nothing_and_cost_nobody(http: Abused, times: int) -> None:
    asked = b"GET /health/live HTTP/1.1\r\nhost: here\r\n"

    async def come_and_go(at: int) -> None:
        await asyncio.sleep(at / 1000)
        if at % 3 == 0:
            (await connected(http.url)).close()
        elif at % 3 == 1:
            sock = await connected(http.url)
            await asyncio.get_running_loop().sock_sendall(sock, asked)
            sock.close()
        else:
            told = await exchanged(http.url, (asked + b"\r\n") * 5 + asked + b"connection: close\r\n\r\n")
            assert told.count(b'{"live":true}') == 6

    with no_residue(http.server):
        async with Load(http.url, rate=50) as load:
            for _ in range(times):
                await asyncio.gather(*(come_and_go(at) for at in range(1000)))
        load.require_nothing_lost()


@pytest.mark.parametrize("http", ["quick"], indirect=True)
def test_e16_whatever_callers_send_each_line_of_the_log_is_one_object(http: Abused, tmp_path: Path) -> None:
    evil = '\n{"event": "forged"}\r\x1b[31m\u2028' + "x" * 10**6
    server = http.server
    failed = server.count("predict failed")
    server.predict({"inputs": {"x": [1.0], "fault": ["raise:" + evil]}})
    server.predict({"inputs": {"x": [1.0], "fault": ["print:" + evil]}})
    server.predict({"inputs": {"x": [1.0]}}, path="/models/%0A%7B%22event%22:%22forged%22%7D%1b[31m/predict")
    assert server.predict({"inputs": {"x": [1.0], "fault": ["raise"]}}).status_code == 500
    server.wait("predict failed", count=failed + 1)
    assert (server.count("text"), server.count("forged")) == (0, 0)
    assert max(len(json.dumps(one)) for one in server.events) < 128 * 2**10
