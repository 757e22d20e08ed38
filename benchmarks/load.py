"""Load on one server with wrk, and whether each answer under load is its own request's."""

import asyncio
import json
import os
import re
import statistics
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
JSON = "application/json"
_SCRIPT = Path(__file__).with_name("load.lua")
_RESULT = re.compile(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+) (\d+)")


class WrongAnswer(Exception):
    """A server answered a request with what was not its prediction."""


@dataclass(frozen=True)
class Measured:
    """One run: answers with a 2xx a second, latencies of all in milliseconds, refusals, and requests that failed."""

    rps: float
    p50_ms: float
    p99_ms: float
    refused: int
    failed: int


def measure(
    url: str,
    bodies: Sequence[bytes],
    connections: int,
    seconds: int,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
    paths: Sequence[str] = (),
    pause_ms: float = 0.0,
) -> Measured:
    """Keep `connections` busy for `seconds` with `bodies` in turn, on one thread; at `paths` in turn, or the URL's.

    Each waits `pause_ms`, more or less, before it asks.
    """
    paths = paths or (urllib.parse.urlsplit(url).path,)
    with tempfile.NamedTemporaryFile() as file:
        for at, body in enumerate(bodies):
            file.write(f"{len(body)} {paths[at % len(paths)]}\n".encode() + body)
        file.flush()
        options = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(_SCRIPT), url)
        extra = [word for pair in (headers or {}).items() for word in pair]
        command = ["wrk", *options, "--", file.name, content_type, *extra]
        environment = {**os.environ, "PAUSE_MS": str(pause_ms)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    found = _RESULT.search(done.stdout)
    if found is None:
        raise RuntimeError(f"wrk failed: {done.stdout} {done.stderr}")
    requests, microseconds, p50, p99, refused, failed = map(float, found.groups())
    good = requests - refused
    return Measured(good / microseconds * 1e6, p50 / 1e3, p99 / 1e3, int(refused), int(failed))


def median(some: Sequence[Measured]) -> dict[str, Any]:
    """The medians of the rates and latencies; all that was refused or failed, of all rounds."""
    every = [asdict(one) for one in some]
    middle = {name: statistics.median(one[name] for one in every) for name in ("rps", "p50_ms", "p99_ms")}
    return {**middle, **{name: sum(one[name] for one in every) for name in ("refused", "failed")}}


def predictions(body: bytes, _: str = "") -> Array:
    """The numbers of an answer in MLflow's JSON."""
    return np.asarray(json.loads(body)["predictions"], dtype=np.float64)


def require_right(found: Array, expected: Array, told: str) -> None:
    """`WrongAnswer` where they are not the same, but for sums of float32 in another order."""
    if found.size != expected.size or not np.allclose(found.ravel(), expected.ravel(), rtol=1e-4, atol=1e-5):
        raise WrongAnswer(f"{told} was answered with what is not its prediction")


def check(
    url: str,
    bodies: Sequence[bytes],
    answers: Array,
    connections: int,
    times: int = 4,
    content_type: str = JSON,
    decode: Callable[[bytes], Array] = predictions,
) -> int:
    """Ask each body `times`, on so many connections at once, each answer compared with its own input's → how many.

    `WrongAnswer` for the first that is another's. The answer is asked for in the format of the request.
    """
    return asyncio.run(_check(url, bodies, answers, connections, times, content_type, decode))


async def _check(
    url: str,
    bodies: Sequence[bytes],
    answers: Array,
    connections: int,
    times: int,
    content_type: str,
    decode: Callable[[bytes], Array],
) -> int:
    where = urllib.parse.urlsplit(url)
    turns = iter([at for _ in range(times) for at in range(len(bodies))])
    lines = f"Host: x\r\nContent-Type: {content_type}\r\nAccept: {content_type}"

    async def client() -> int:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        count = 0
        for at in turns:
            head = f"POST {where.path} HTTP/1.1\r\n{lines}\r\nContent-Length: {len(bodies[at])}"
            writer.write(head.encode() + b"\r\n\r\n" + bodies[at])
            headers = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(re.findall(rb"content-length: (\d+)", headers)[0])
            found = await reader.readexactly(length)
            if not headers.startswith(b"http/1.1 200"):
                raise WrongAnswer(f"{url} refused request {at}: {found[:200]!r}")
            require_right(decode(found), np.asarray(answers[at], dtype=np.float64), f"request {at} to {url}")
            count += 1
        writer.close()
        return count

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client()) for _ in range(connections)]
    return sum(task.result() for task in tasks)
