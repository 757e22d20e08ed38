"""The measurements, each a function of the stage → plain numbers. Servers take turns; medians of the rounds stand."""

import io
import json
import os
import statistics
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import structlog

from benchmarks import load
from benchmarks.load import Measured
from benchmarks.models import Subject
from benchmarks.servers import Running
from benchmarks.stage import Stage, npy

log = structlog.get_logger()
Numbers = dict[str, Any]

ECHO, PINION = "echo", "Pinion"
NPY = "application/x-npy"


def connections(stage: Stage, subject: Subject, levels: Sequence[int], rounds: int, seconds: int) -> Numbers:
    """One row a request: by server and number of connections. Each answer of a check at every level is its own."""
    bodies = [subject.body(subject.rows[at : at + 1]) for at in range(len(subject.rows))]
    repo = stage.repository(subject.name, [(subject.name, subject)])
    with stage.running([stage.pinion(repo), *stage.peers_of(subject)], bodies[0]) as running:
        found: Numbers = {one.name: {} for one in running}
        for level in levels:
            taken: dict[str, list[Measured]] = {one.name: [] for one in running if _bears(one, level)}
            for _ in range(rounds):
                for one in running:
                    if one.name in taken:
                        load.measure(one.url, bodies, level, 1)
                        taken[one.name].append(load.measure(one.url, bodies, level, seconds))
            for one in running:
                if one.name in taken:
                    found[one.name][level] = {**load.median(taken[one.name]), "memory_mb": _memory(one)}
                    _checked(one, subject, bodies, min(level, 64), found)
                    log.info(
                        "measured", model=subject.name, server=one.name, connections=level, **found[one.name][level]
                    )
        return found


def _bears(one: Running, level: int) -> bool:
    return level <= 64 or not one.name.startswith("mlflow")  # beyond, its callers wait for seconds


def _checked(one: Running, subject: Subject, bodies: Sequence[bytes], level: int, found: Numbers) -> None:
    if one.name != ECHO:
        times = 1 if one.name.startswith("mlflow") else 4
        count = load.check(one.url, bodies, subject.answers, level, times)
        found[one.name]["checked"] = found[one.name].get("checked", 0) + count


def rows(stage: Stage, levels: Sequence[int], rounds: int, seconds: int) -> Numbers:
    """Many rows a request, on four connections: rows a second by format and number of rows; mlflow up to 1,024."""
    subject = stage.t
    repo = stage.repository(subject.name, [(subject.name, subject)])
    mlflow = stage.peers_of(subject)[0]
    found: Numbers = {}
    with stage.running([stage.pinion(repo), mlflow], subject.body(subject.rows[:1])) as (ours, theirs):
        for level in levels:
            runs = {
                name: _form(name, ours, _rows(subject, level)) for name in ("JSON", "Open Inference", "Arrow", "npy")
            }
            if level <= 1024:
                runs["mlflow, JSON"] = (theirs.url, subject.body(_rows(subject, level)), load.JSON, {})
            taken: dict[str, list[Measured]] = {name: [] for name in runs}
            for _ in range(rounds):
                for name, (url, body, kind, headers) in runs.items():
                    load.measure(url, [body], 4, 1, kind, headers)
                    taken[name].append(load.measure(url, [body], 4, seconds, kind, headers))
            for name, some in taken.items():
                one = load.median(some)
                told = {**one, "rows_per_second": one["rps"] * level, "memory_mb": _memory(ours)}
                found.setdefault(name, {})[level] = told
                url, body, kind, headers = runs[name]
                _require_right(name, url, body, kind, headers, np.resize(subject.answers, (level, 10)))
                found[name]["checked"] = found[name].get("checked", 0) + level
                log.info("measured", form=name, rows=level, **found[name][level])
    return found


def _rows(subject: Subject, count: int) -> Any:
    return np.resize(subject.rows, (count, *subject.rows.shape[1:]))


def _form(name: str, ours: Running, array: Any) -> tuple[str, bytes, str, Mapping[str, str]]:
    """The URL, body, content type and headers of a request in that form, asking for the answer in the same."""
    if name == "npy":
        return ours.url, npy(array), NPY, {"Accept": NPY}
    if name == "Arrow":
        kind = "application/vnd.apache.arrow.stream"
        column = pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, pa.schema([("x", column.type)])) as writer:
            writer.write_batch(pa.record_batch([column], names=["x"]))
        return ours.url, sink.getvalue().to_pybytes(), kind, {"Accept": kind}
    if name == "Open Inference":
        tensor = {"name": "x", "datatype": "FP32", "shape": list(array.shape)}
        header = json.dumps(
            {
                "inputs": [{**tensor, "parameters": {"binary_data_size": array.nbytes}}],
                "parameters": {"binary_data_output": True},
            }
        ).encode()
        url = ours.url.removesuffix("/predict") + "/v2/models/t/infer"
        length = {"Inference-Header-Content-Length": str(len(header))}
        return url, header + array.astype("<f4").tobytes(), "application/octet-stream", length
    document = json.dumps({"inputs": array.tolist()}, separators=(",", ":")).encode()
    return ours.url, document, load.JSON, {}


def _require_right(name: str, url: str, body: bytes, kind: str, headers: Mapping[str, str], expected: Any) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": kind, **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        told, length = answer.read(), int(answer.headers.get("inference-header-content-length", 0))
    if name == "npy":
        found = np.load(io.BytesIO(told))
    elif name == "Arrow":
        table = pa.ipc.open_stream(told).read_all()
        found = np.column_stack([np.asarray(column.to_pylist()) for column in table.columns])
    elif name == "Open Inference":
        found = np.frombuffer(told[length:], "<f4")
    else:
        found = load.predictions(told)
    load.require_right(found, expected, f"{len(expected)} rows as {name}")


def compute(stage: Stage, rounds: int, seconds: int) -> Numbers:
    """Model C on 16 connections, beside the bare model in a loop at each batch size; and far beyond its capacity."""
    subject = stage.c
    repo = stage.repository(subject.name, [(subject.name, subject)])
    bodies = [npy(subject.rows[at : at + 1]) for at in range(64)]
    bare: list[Mapping[str, float]] = []
    served: list[Measured] = []
    over: list[Measured] = []
    counts: list[Mapping[str, float]] = []
    checked = 0
    for _ in range(rounds):
        bare.append(_bare(stage, subject, seconds / 3))
        server = stage.pinion(repo, PINION_BATCH__MAX_WAITING_ROWS="64")
        with stage.running([server], subject.body(subject.rows[:1])) as (one,):
            load.measure(one.url, bodies, 16, 2, NPY)
            before = _batches(one)
            served.append(load.measure(one.url, bodies, 16, seconds, NPY))
            counts.append({end: count - before.get(end, 0) for end, count in _batches(one).items()})
            checked += load.check(one.url, bodies, subject.answers, 16, 1, NPY, lambda body: np.load(io.BytesIO(body)))
            pause = 256 / (5 * served[-1].rps) * 1e3  # five times what it can do
            over.append(load.measure(one.url, bodies, 256, seconds, NPY, pause_ms=pause))
    best = {size: statistics.median(run[size] for run in bare) for size in bare[0]}
    batches = {end: sum(one.get(end, 0) for one in counts) for end in counts[-1]}
    found = {
        "bare": best,
        "Pinion": load.median(served),
        "overload": load.median(over),
        "batches": batches,
        "checked": checked,
    }
    log.info("measured", model="c", **found)
    return found


def spared(stage: Stage, rounds: int, seconds: int) -> Numbers:
    """Model C with one thread, beside the bare model with one: there is a core for the server, as there mostly is."""
    subject = stage.c
    repo = stage.repository(subject.name, [(subject.name, subject)])
    bodies = [npy(subject.rows[at : at + 1]) for at in range(64)]
    bare: list[Mapping[str, float]] = []
    served: list[Measured] = []
    for _ in range(rounds):
        bare.append(_bare(stage, subject, seconds / 3, OMP_NUM_THREADS="1"))
        server = stage.pinion(repo, PINION_WORKER__THREADS="1")
        with stage.running([server], subject.body(subject.rows[:1])) as (one,):
            load.measure(one.url, bodies, 16, 2, NPY)
            served.append(load.measure(one.url, bodies, 16, seconds, NPY))
    best = {size: statistics.median(run[size] for run in bare) for size in bare[0]}
    found = {"bare": best, "Pinion": load.median(served)}
    log.info("measured", model="c, one thread", **found)
    return found


def _bare(stage: Stage, subject: Subject, seconds: float, **variables: str) -> Mapping[str, float]:
    program = Path(__file__).parent / "peers" / "bare.py"
    python = next((stage.state / "environments").glob("*/bin/python"), stage.ours / "bin" / "python")
    command = [python, program, subject.folder, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variables})
    rates: Mapping[str, float] = json.loads(done.stdout.splitlines()[-1])
    return rates


def _batches(one: Running) -> Mapping[str, float]:
    """How many batches of up to so many rows there were."""
    text = urllib.request.urlopen(one.url.removesuffix("/predict") + "/metrics").read().decode()
    lines = [line for line in text.splitlines() if line.startswith("pinion_batch_rows_bucket")]
    ends = {line.split('le="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}
    counts = np.diff([0.0, *ends.values()])
    return {end: count for end, count in zip(ends, counts.tolist(), strict=True) if count}


def footprint(stage: Stage, subject: Subject, rounds: int) -> Numbers:
    """Each server by itself: seconds to its first answer, and its memory after a few thousand requests."""
    bodies = [subject.body(subject.rows[at : at + 1]) for at in range(64)]
    repo = stage.repository(subject.name, [(subject.name, subject)])
    found: Numbers = {}
    for server in [stage.pinion(repo), *stage.peers_of(subject)]:
        starts, memory, front = [], [], []
        for _ in range(rounds):
            with stage.running([server], bodies[0]) as (one,):
                load.measure(one.url, bodies, 16, 2)
                used = one.memory_bytes
                starts.append(one.start_seconds)
                memory.append(sum(used.values()) / 1e6)
                front.append(used[one.process.pid] / 1e6)
        middle = {"start_seconds": starts, "memory_mb": memory, "front_mb": front}
        found[server.name] = {name: statistics.median(some) for name, some in middle.items()}
        log.info("measured", server=server.name, **found[server.name])
    return found


def models(stage: Stage, levels: Sequence[int], seconds: int) -> Numbers:
    """Releases of 1 to many models, asked in turn on 64 connections: throughput, memory, start."""
    subject = stage.t
    bodies = [subject.body(subject.rows[at : at + 1]) for at in range(len(subject.rows))]
    found: Numbers = {}
    names = [f"m{at:02d}" for at in range(max(levels))]
    repo = stage.repository("models", [(name, subject) for name in names])
    for level in levels:
        stage.pin(repo, promotions=level)
        server = stage.pinion(repo, PINION_ROLLOUT__DEFAULT_MODEL="m00")
        with stage.running([server], bodies[0]) as (one,):
            paths = [f"/models/{name}/predict" for name in names[:level]]
            load.measure(one.url, bodies, 64, 2, paths=paths)
            run = load.measure(one.url, bodies, 64, seconds, paths=paths)
            checked = sum(
                load.check(f"{one.url.removesuffix('/predict')}{path}", bodies, subject.answers, 8, 1) for path in paths
            )
            used = one.memory_bytes
            found[str(level)] = {
                "checked": checked,
                **asdict(run),
                "memory_mb": sum(used.values()) / 1e6,
                "front_mb": used[one.process.pid] / 1e6,
                "start_seconds": one.start_seconds,
            }
            log.info("measured", models=level, **found[str(level)])
    return found


def _memory(one: Running) -> float:
    return sum(one.memory_bytes.values()) / 1e6
