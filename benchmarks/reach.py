"""What issue 4 asks to reach, and whether the numbers of a run do: results in, verdicts out; nothing is measured here.

Results are what `benchmarks.__main__` stores, read back from JSON (so numbers that are keys are texts). A goal whose
numbers are not there is left out. A verdict is on the exact ratio, and no figure is rounded across its limit.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Any]
Figure = Callable[[Results], float]

PINION, MLFLOW, MOSEC, TUNED, ECHO = "Pinion", "mlflow models serve", "mosec", "mosec + orjson", "echo"
FORMS = ("JSON", "Open Inference", "Arrow", "npy")
FLAT = 0.9  # of the best with less work: what two runs on one machine differ by is no fall


@dataclass(frozen=True, slots=True)
class Goal:
    """`of`, in ratio to `to` where there is one, must be at least or at most `limit`; `also` is a ratio to tell beside.

    `against` ends the text of the limit: what the ratio is to, or the unit.
    """

    figure: str
    at_least: bool
    limit: float
    against: str
    of: Figure
    to: Figure | None = None
    also: Figure | None = None

    @property
    def reach(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g} {self.against}"

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and what was measured: in words, and whether that is enough."""

    goal: Goal
    measured: str
    met: bool


def verdicts(results: Results) -> Iterator[Verdict]:
    """Of each goal whose numbers there are, in the issue's order."""
    for goal in GOALS:
        value = _ratio(results, goal.of, goal.to)
        if value is None:
            continue
        also = goal.also and _ratio(results, goal.of, goal.also)
        beside = f" (to {TUNED}: {number(also)} ×)" if also else ""
        yield Verdict(goal, f"{_told(goal, value)} {_unit(goal)}{beside}", goal.met(value))


def number(value: float, digits: int = 3) -> str:
    """The value to so many significant digits, whole above that: 0.123, 12.3, 1,234."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def levels(some: Results) -> list[int]:
    """The amounts of work by which a server's numbers are kept, ascending."""
    return sorted(int(key) for key in some if key.isdigit())


def _ratio(results: Results, of: Figure, to: Figure | None) -> float | None:
    try:
        return of(results) / to(results) if to else of(results)
    except (KeyError, ValueError, ZeroDivisionError):  # not measured, at one amount of work only, or nothing answered
        return None


def _told(goal: Goal, value: float) -> str:
    texts = [number(value, digits) for digits in range(3, 9)]
    honest = (text for text in texts if goal.met(float(text.replace(",", ""))) == goal.met(value))
    return next(honest, repr(value))


def _unit(goal: Goal) -> str:
    return "×" if goal.against.startswith("×") else goal.against


def _at(*path: str) -> Figure:
    """The number at that path; KeyError where there is none."""

    def figure(results: Results) -> float:
        found: Any = results
        for key in path:
            found = found[key]
        return float(found)

    return figure


def _best_bare(results: Results) -> float:
    return max(map(float, results["compute"]["bare"].values()))


def _kept(*path: str, of: str) -> Figure:
    """The worst, over rising amounts of work, of the rate as a part of the best rate at less work."""

    def figure(results: Results) -> float:
        some: Any = results
        for key in path:
            some = some[key]
        rates = [float(some[str(level)][of]) for level in levels(some)]
        return min(rate / max(rates[:at]) for at, rate in enumerate(rates) if at)

    return figure


def _kept_by_rows(results: Results) -> float:
    """The worst of our formats."""
    return min(_kept("rows", form, of="rows_per_second")(results) for form in FORMS)


def _memory_by_models(results: Results) -> float:
    """The worst of the memory of so many models as a part of so many times the memory of one; 1 or less is linear."""
    some = results["models"]
    alone = some["1"][_PSS]
    return max(float(some[str(level)][_PSS] / (level * alone)) for level in levels(some) if level > 1)


def _t(server: str, connections: int, figure: str) -> Figure:
    return _at("t", server, str(connections), figure)


def _f(server: str, connections: int, figure: str) -> Figure:
    return _at("f", server, str(connections), figure)


def _256(form: str) -> Figure:
    return _at("rows", form, "256", "rows_per_second")


_T64, _T1, _P99 = "T, 64 connections, requests/s", "T, 1 connection, median latency", "T, 64 connections, p99"
_F64, _F1 = "F, 64 connections, requests/s", "F, 1 connection, median latency"
_COMPUTE = "C (bound by its computing), 16 connections, rows/s"
_SWITCH_P99 = "p99 of traffic while a release is switched"
_BEST = "× the best with less"
_PSS = "memory_mb"

GOALS = (
    Goal(_T64, True, 1.5, "× mosec", _t(PINION, 64, "rps"), _t(MOSEC, 64, "rps"), _t(TUNED, 64, "rps")),
    Goal(_T64, True, 35, "× mlflow", _t(PINION, 64, "rps"), _t(MLFLOW, 64, "rps")),
    Goal(_T64, True, 0.45, "× the empty echo", _t(PINION, 64, "rps"), _t(ECHO, 64, "rps")),
    Goal(_T1, False, 0.4, "× mlflow", _t(PINION, 1, "p50_ms"), _t(MLFLOW, 1, "p50_ms")),
    Goal(_T1, False, 0.8, "ms", _t(PINION, 1, "p50_ms")),
    Goal(_P99, False, 1.2, "× mosec", _t(PINION, 64, "p99_ms"), _t(MOSEC, 64, "p99_ms"), _t(TUNED, 64, "p99_ms")),
    Goal(_F64, True, 3, "× mosec", _f(PINION, 64, "rps"), _f(MOSEC, 64, "rps"), _f(TUNED, 64, "rps")),
    Goal(_F64, True, 100, "× mlflow", _f(PINION, 64, "rps"), _f(MLFLOW, 64, "rps")),
    Goal(_F1, False, 0.35, "× mlflow", _f(PINION, 1, "p50_ms"), _f(MLFLOW, 1, "p50_ms")),
    Goal("T, 256 rows of JSON a request, rows/s", True, 20, "× mlflow", _256("JSON"), _256("mlflow, JSON")),
    *(
        Goal(f"T, 256 rows as {told}, rows/s", True, 4, "× our own JSON", _256(form), _256("JSON"))
        for form, told in (("Open Inference", "Open Inference binary"), ("Arrow", "Arrow"), ("npy", "npy"))
    ),
    Goal(_COMPUTE, True, 0.93, "× the bare model at its best batch", _at("compute", PINION, "rps"), _best_bare),
    Goal(
        "memory of front and one worker, T",
        False,
        0.85,
        "× mosec",
        _at("footprint", PINION, _PSS),
        _at("footprint", MOSEC, _PSS),
        _at("footprint", TUNED, _PSS),
    ),
    Goal("memory of the front alone", False, 90, "MB", _at("footprint", PINION, "front_mb")),
    Goal(
        "start to first answer, environment warm",
        False,
        1,
        "× mlflow",
        _at("footprint", PINION, "start_seconds"),
        _at("footprint", MLFLOW, "start_seconds"),
    ),
    Goal("switch of a release, environment cached", False, 6, "s", _at("switch", "seconds")),
    Goal(_SWITCH_P99, False, 3, "× steady", _at("switch", "during", "p99_ms"), _at("switch", "steady", "p99_ms")),
    Goal("T, as connections grow, requests/s", True, FLAT, _BEST, _kept("t", PINION, of="rps")),
    Goal("T, as rows a request grow, rows/s of the worst format", True, FLAT, _BEST, _kept_by_rows),
    Goal("as models in a release grow, requests/s", True, FLAT, _BEST, _kept("models", of="rps")),
    Goal("as models in a release grow, memory", False, 1, "× as many times one model's", _memory_by_models),
)
