"""Where the front's microseconds go: `python -m benchmarks.stages` writes a table of a request's time by stage.

The stack of a front that serves model T to 64 connections is sampled, and each sample belongs to the stage of its
innermost frame that has one; the front's CPU time is shared out by samples. `--source` measures another checkout of
Pinion, such as an older one.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import load
from benchmarks.servers import Server
from benchmarks.stage import Stage

ROOT = Path(__file__).parents[1]

LOOP = "event loop and system calls"

# By a part of the file's path; the first that is found.
STAGES: tuple[tuple[str, str], ...] = (
    ("asyncio/runners", LOOP),
    ("prometheus_client/", "metrics"),
    ("serve/metrics", "metrics"),
    ("uvicorn/", "HTTP (uvicorn, httptools)"),
    ("serve/front/door", "HTTP (door)"),
    ("serve/front/corked", "HTTP (door)"),
    ("starlette/", "middleware and routing"),
    ("fastapi/", "middleware and routing"),
    ("serve/signature/predictions", "answer written"),
    ("serve/signature/", "body read and checked"),
    ("serve/front/formats/mlflow_json", "body read and checked"),
    ("serve/front/formats/", "content negotiation"),
    ("serve/front/", "endpoint"),
    ("serve/inference", "inference"),
    ("serve/aside", "inference"),
    ("serve/batch/", "queue and batches"),
    ("serve/worker/", "to and from the worker"),
    ("serve/child/wire", "to and from the worker"),
    ("asyncio/", "asyncio (tasks, timeouts)"),
)


def sampled(pid: int, seconds: int) -> Mapping[str, float]:
    """Each stage's share of the process's running time in the next `seconds`, largest first."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        options = ("--format", "raw", "--rate", "500", "--duration", str(seconds), "--full-filenames")
        subprocess.run(
            [str(Path(sys.prefix) / "bin" / "py-spy"), "record", *options, "--pid", str(pid), "--output", str(raw)],
            check=True,
            capture_output=True,
        )
        counted: Counter[str] = Counter()
        for line in raw.read_text().splitlines():
            frames, _, count = line.rpartition(" ")
            if "concurrent/futures/thread.py" in frames:
                continue  # a thread that waits for work, and keeps no CPU
            counted[_stage(frames.split(";"))] += int(count)
    whole = counted.total()
    return {stage: count / whole for stage, count in counted.most_common()}


def cpu_seconds(pid: int) -> float:
    """User and system time of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stage(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, stage in STAGES:
            if part in frame:
                return stage
    return LOOP


def main(
    source: Annotated[Path, typer.Option(help="A checkout of Pinion.")] = ROOT,
    connections: int = 64,
    seconds: int = 10,
) -> None:
    """Print the table."""
    stage = Stage(ROOT / ".bench", Path(sys.prefix), ROOT / ".venv-bench")
    subject = stage.t
    bodies = [subject.body(subject.rows[at : at + 1]) for at in range(len(subject.rows))]
    repo = stage.repository(subject.name, [(subject.name, subject)])
    command = (sys.executable, "-m", "serve", "--port", "{port}", "--repo", str(repo))
    server = Server("Pinion", command, "/predict", source, {"PINION_ARTIFACT__STATE": str(stage.state)})
    with server.running(bodies[0], stage.folder / "logs" / "stages.log") as one:
        load.measure(one.url, bodies, connections, 2)
        before = cpu_seconds(one.process.pid)
        run = load.measure(one.url, bodies, connections, seconds)
        each = (cpu_seconds(one.process.pid) - before) / (run.rps * seconds) * 1e6
        traffic = threading.Thread(target=load.measure, args=(one.url, bodies, connections, seconds + 2))
        traffic.start()
        shares = sampled(one.process.pid, seconds)
        traffic.join()
    lines = [f"| {stage} | {share * each:.1f} |" for stage, share in shares.items() if share * each >= 0.05]
    typer.echo("\n".join(["| stage | µs |", "|---|---:|", *lines, f"| all | {each:.1f} |"]))
    typer.echo(f"\n{run.rps:,.0f} requests/s, p50 {run.p50_ms:.2f} ms, p99 {run.p99_ms:.2f} ms")


if __name__ == "__main__":
    typer.run(main)
