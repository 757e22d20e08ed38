"""`make bench`: everything measured, side by side on this machine, and written to docs/benchmarks.md with its plots.

`--only` measures again what it names and keeps the rest of the last results; `--quick` is for trying the benchmark
itself out, and writes nothing.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import structlog
import typer

from benchmarks import report, runs, switching
from benchmarks.stage import Stage

log = structlog.get_logger()

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "benchmarks" / "results.json"
_PARTS = ("t", "f", "rows", "compute", "spared", "footprint", "switch", "models")


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(_PARTS)}; may be repeated.")] = None,
    quick: Annotated[bool, typer.Option(help="One short round of each, written nowhere.")] = False,
    rounds: Annotated[int, typer.Option(help="How often each server has its turn.")] = 3,
    seconds: Annotated[int, typer.Option(help="How long a turn is.")] = 3,
    folder: Annotated[Path, typer.Option(help="Where models, repositories and environments are kept.")] = ROOT
    / ".bench",
) -> None:
    """Measure Pinion beside its peers."""
    if only and (unknown := set(only) - set(_PARTS)):
        raise typer.BadParameter(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(_PARTS)}")
    stage = Stage(folder.resolve(), Path(sys.prefix), ROOT / ".venv-bench")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if quick:
        rounds, seconds = 1, 2
    results["machine"] = {**machine(), "turns": f"{rounds} of {seconds} s for each figure"}
    for part in only or _PARTS:
        results[part] = _measured(part, stage, rounds, seconds, quick=quick)
        results.setdefault("revisions", {})[part] = _revision()
        log.info("part measured", part=part)
        if not quick:
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if quick:
        return
    report.write(json.loads(RESULTS.read_text()), ROOT / "docs")


def _measured(part: str, stage: Stage, rounds: int, seconds: int, *, quick: bool) -> runs.Numbers:
    if part == "t":
        return runs.connections(stage, stage.t, (1, 64) if quick else (1, 4, 16, 64, 256, 1000), rounds, seconds)
    if part == "f":
        return runs.connections(stage, stage.f, (1, 64) if quick else (1, 16, 64), rounds, seconds)
    if part == "rows":
        return runs.rows(stage, (1, 256) if quick else (1, 16, 64, 256, 1024, 4096, 10_000), rounds, seconds)
    if part == "compute":
        return runs.compute(stage, rounds, seconds)
    if part == "spared":
        return runs.spared(stage, rounds, seconds)
    if part == "footprint":
        return runs.footprint(stage, stage.t, rounds)
    if part == "switch":
        return switching.switch(stage, 1 if quick else 3)
    return runs.models(stage, (1, 2) if quick else (1, 2, 5, 10, 20), seconds)


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    packages = ("mlflow", "torch", "scikit-learn", "uvicorn", "numpy")
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cpu": f"{os.cpu_count()} cores, {cpu}",
        "memory": f"{memory / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


if __name__ == "__main__":
    typer.run(main)
