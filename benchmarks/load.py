"""Load on one server with wrk, and whether each answer under that load is the right one."""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
_RESULT = re.compile(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+)")


@dataclass(frozen=True)
class Measured:
    """One run: requests a second, latencies in milliseconds, requests that failed."""

    rps: float
    p50_ms: float
    p99_ms: float
    errors: int


def measure(
    url: str,
    bodies: Sequence[bytes],
    connections: int,
    seconds: int,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Measured:
    """Keep `connections` busy for `seconds` with `bodies` in turn; one thread of wrk."""
    with tempfile.NamedTemporaryFile() as file:
        for body in bodies:
            file.write(f"{len(body)}\n".encode() + body)
        file.flush()
        options = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT), url)
        extra = [word for pair in (headers or {}).items() for word in pair]
        done = subprocess.run(["wrk", *options, "--", file.name, content_type, *extra], capture_output=True, text=True)
    found = _RESULT.search(done.stdout)
    if found is None:
        raise RuntimeError(f"wrk failed: {done.stdout} {done.stderr}")
    requests, microseconds, p50, p99, _, errors = map(float, found.groups())
    return Measured(requests / microseconds * 1e6, p50 / 1e3, p99 / 1e3, int(errors))
