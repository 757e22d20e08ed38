"""Where the front's microseconds go: samples of its stack under load, summed by stage.

A sample belongs to the stage of its innermost frame that has one; the front's CPU time is shared out by samples.
"""

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

# By a part of the file's path; the first that is found.
STAGES: tuple[tuple[str, str], ...] = (
    ("prometheus_client/", "metrics"),
    ("serve/metrics", "metrics"),
    ("uvicorn/", "HTTP (uvicorn, httptools)"),
    ("serve/front/http", "HTTP (uvicorn, httptools)"),
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
LOOP = "event loop and system calls"


def sampled(pid: int, seconds: int) -> Mapping[str, float]:
    """Each stage's share of the process's running time in the next `seconds`, largest first."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        options = ("--format", "raw", "--rate", "500", "--duration", str(seconds), "--full-filenames")
        subprocess.run(
            ["py-spy", "record", *options, "--pid", str(pid), "--output", str(raw)], check=True, capture_output=True
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
