"""The page of the benchmark: verdicts at their limits, only what was measured, and plots that are XML."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import report
from benchmarks.reach import PINION, number, verdicts

Results = dict[str, Any]
SECTIONS = {
    "machine": "## Machine",
    "t": "## T, one row a request",
    "f": "## F, one row a request",
    "rows": "## T, many rows a request",
    "compute": "## C, beside the bare model",
    "spared": "## C, with a core for the server",
    "footprint": "## Memory and start, T",
    "switch": "## Switch of a release",
    "models": "## Many models in a release",
}
PLOTS = {"t": "connections.svg", "rows": "rows.svg", "models": "models.svg"}


def run(rps: float, p50: float = 1.0, p99: float = 2.0, refused: int = 0) -> Results:
    return {"rps": rps, "p50_ms": p50, "p99_ms": p99, "refused": refused, "failed": 0, "memory_mb": 100.0}


def many(form: float) -> Results:
    return {str(rows): {**run(form / rows), "rows_per_second": form} for rows in (1, 256)}


def size(start: float, memory: float, front: float) -> Results:
    return {"start_seconds": start, "memory_mb": memory, "front_mb": front}


@pytest.fixture
def results() -> Results:
    """Every limit reached exactly, as read from results.json."""
    found = {
        "machine": {"cpu": "2 cores"},
        "t": {
            PINION: {1: run(7_000, 0.8), 64: run(10_500, p99=12.0), 1000: run(9_450), "checked": 1_500},
            "mlflow models serve": {1: run(10, 2.0), 64: run(300), "checked": 500},
            "mosec": {1: run(10), 64: run(7_000, p99=10.0), 1000: run(1)},
            "mosec + orjson": {1: run(10), 64: run(8_400, p99=8.0), 1000: run(1)},
            "echo": {1: run(10), 64: run(23_333, refused=3), 1000: run(1)},
        },
        "f": {
            PINION: {1: run(1, 3.5), 64: run(3_000), "checked": 7},
            "mlflow models serve": {1: run(1, 10.0), 64: run(30)},
            "mosec": {1: run(1), 64: run(1_000)},
            "mosec + orjson": {1: run(1), 64: run(1_000)},
        },
        "rows": {
            "JSON": many(2_000),
            "Open Inference": many(8_000),
            "Arrow": many(8_000),
            "npy": many(8_000),
            "mlflow, JSON": many(100),
        },
        "compute": {
            "bare": {"1": 50.0, "8": 100.0, "16": 90.0},
            PINION: run(93),
            "overload": run(90, refused=1_234),
            "batches": {"8.0": 12.0, "+Inf": 1.0},
        },
        "spared": {"bare": {"1": 40.0, "4": 50.0}, PINION: run(49)},
        "footprint": {
            PINION: size(8, 85, 90),
            "mlflow models serve": size(8, 100, 1),
            "mosec": size(9, 100, 1),
            "mosec + orjson": size(9, 100, 1),
        },
        "switch": {"seconds": 6.0, "steady": run(100, p99=2.0), "during": run(90, p99=6.0)},
        "models": {1: {**run(100), **size(1, 100, 50)}, 20: {**run(90), **size(5, 2_000, 60)}},
    }
    read: Results = json.loads(json.dumps(found))
    return read


def test_what_is_at_its_limit_is_met(results: Results) -> None:
    missed = [one.goal.figure for one in verdicts(results) if not one.met]
    assert missed == []
    assert len(list(verdicts(results))) == 23


@pytest.mark.parametrize(
    ("path", "value", "missed"),
    [
        (("t", "mosec", "64", "rps"), 7_000.1, {"≥ 1.5 × mosec"}),
        (("t", "mlflow models serve", "64", "rps"), 300.1, {"≥ 35 × mlflow"}),
        (("t", "echo", "64", "rps"), 23_334, {"≥ 0.45 × the empty echo"}),
        (("t", PINION, "1", "p50_ms"), 0.8001, {"≤ 0.8 ms", "≤ 0.4 × mlflow"}),
        (("t", "mosec", "64", "p99_ms"), 9.999, {"≤ 1.2 × mosec"}),
        (("t", PINION, "1000", "rps"), 9_449, {"≥ 0.9 × the best with less"}),
        (("f", "mosec", "64", "rps"), 1_001, {"≥ 3 × mosec"}),
        (("rows", "npy", "256", "rows_per_second"), 7_999, {"≥ 4 × our own JSON"}),
        (("rows", "Arrow", "1", "rows_per_second"), 9_000, {"≥ 0.9 × the best with less"}),
        (("compute", "bare", "16"), 101.0, {"≥ 0.93 × the bare model at its best batch"}),
        (("footprint", PINION, "front_mb"), 90.1, {"≤ 90 MB"}),
        (("footprint", PINION, "start_seconds"), 8.01, {"≤ 1 × mlflow"}),
        (("switch", "during", "p99_ms"), 6.01, {"≤ 3 × steady"}),
        (("models", "20", "memory_mb"), 2_001, {"≤ 1 × as many times one model's"}),
    ],
)
def test_what_is_beyond_its_limit_is_missed(
    results: Results, path: tuple[str, ...], value: float, missed: set[str]
) -> None:
    *above, last = path
    numbers = results
    for key in above:
        numbers = numbers[key]
    numbers[last] = value
    assert {one.goal.reach for one in verdicts(results) if not one.met} == missed


def test_no_figure_is_rounded_across_its_limit(results: Results) -> None:
    results["t"]["mosec"]["64"]["rps"] = 7_000.1
    first = next(verdicts(results))
    assert (first.measured, first.met) == ("1.49998 × (to mosec + orjson: 1.25 ×)", False)


def test_the_page_has_a_section_of_every_part(results: Results, tmp_path: Path) -> None:
    page = _page(results, tmp_path)
    assert [line for line in page.splitlines() if line in SECTIONS.values()] == list(SECTIONS.values())
    assert "23 of 23 are met" in page
    assert "| **Pinion** | **7,000** | **10,500** | **9,450** |" in page
    assert "| `mlflow models serve` | 10.0 | 300 | – |" in page
    assert "2,007 (1,507 of Pinion, 500 of mlflow models serve)" in " ".join(page.split())
    assert "- echo, 64 connections: 3 refused, 0 failed" in page


@pytest.mark.parametrize("part", list(SECTIONS))
def test_a_part_that_was_not_measured_is_left_out(results: Results, tmp_path: Path, part: str) -> None:
    del results[part]
    page = _page(results, tmp_path)
    assert SECTIONS[part] not in page
    assert all(title in page for other, title in SECTIONS.items() if other != part)
    drawn = {path.name for path in tmp_path.glob("benchmarks/*.svg")}
    assert drawn == {name for other, name in PLOTS.items() if other != part}
    assert all((f"(benchmarks/{name})" in page) == (name in drawn) for name in PLOTS.values())


def test_nothing_measured_is_a_page_of_how(tmp_path: Path) -> None:
    page = _page({}, tmp_path)
    assert [line for line in page.splitlines() if line.startswith("#")] == ["# Benchmarks", "## How"]
    assert not list(tmp_path.glob("benchmarks/*"))


def test_a_server_that_was_not_measured_has_no_verdict(results: Results) -> None:
    del results["t"]["mosec"]
    assert len(list(verdicts(results))) == 21


def test_the_plots_are_xml_and_the_same_each_time(results: Results, tmp_path: Path) -> None:
    for name in ("one", "two"):
        report.write(results, tmp_path / name)
    for name in PLOTS.values():
        first, second = ((tmp_path / at / "benchmarks" / name).read_bytes() for at in ("one", "two"))
        assert ElementTree.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"
        assert first == second


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12345, "0.123"), (1.5, "1.50"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)
def test_a_number_has_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def _page(results: Results, docs: Path) -> str:
    report.write(results, docs)
    return (docs / "benchmarks.md").read_text()


@pytest.mark.parametrize(
    ("revisions", "told"),
    [
        ({}, []),
        ({"t": "abc", "f": "abc"}, ["| revision | abc |"]),
        ({"t": "abc", "f": "def", "rows": "abc"}, ["| revision of t, rows | abc |", "| revision of f | def |"]),
    ],
)
def test_what_was_measured_again_at_another_revision_says_so(
    results: Results, revisions: dict[str, str], told: list[str], tmp_path: Path
) -> None:
    report.write({**results, "revisions": revisions}, tmp_path)
    page = (tmp_path / "benchmarks.md").read_text().splitlines()
    assert [line for line in page if line.startswith("| revision")] == told
