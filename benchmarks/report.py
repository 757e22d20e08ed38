"""docs/benchmarks.md from the results of a run, with its plots: results in, files out; nothing is measured here.

Results are what `benchmarks.__main__` stores, read back from JSON. A part that is not there has no section.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import plots
from benchmarks.reach import ECHO, FLAT, FORMS, MLFLOW, PINION, Results, levels, number, verdicts

_NOTHING = "–"
_SHOWN = {ECHO: "*the empty echo*", MLFLOW: f"`{MLFLOW}`"}
_HEAD = """# Benchmarks

Pinion beside `mlflow models serve`, mosec and an empty server. `make bench` measures, and writes this page, its plots
and [the numbers](benchmarks/results.json).
"""
_HOW = """## How

- One machine, each section in one run, one worker each. Servers, models and the load share the machine, over loopback.
  Servers take turns, round by round, and each figure is the median of its rounds; the releases of many models are
  measured once.
- One row a request, unless it says otherwise, as MLflow's JSON. The load is wrk: each connection asks again as soon as
  it is answered. Latencies are of all answers, refusals among them; requests a second are of good answers only.
- Pinion runs as it comes: validation, limits, metrics, lineage headers and request ids are on.
- mosec is there twice, with batches of up to 64 that wait at most 2 ms: "mosec" as its documentation would have it,
  and "mosec + orjson" as somebody would who had profiled it. What is to reach is set by the first.
- The empty echo is an ASGI application that reads the body and answers the same bytes always, on the uvicorn that
  Pinion runs on: it is the limit of a front, not a server of models.
- `mlflow models serve` is left out beyond 64 connections, where its callers wait for seconds, and beyond 1,024 rows.
- Models are logged by MLflow. T is a torch MLP of 64 → 256 → 256 → 10 with a tensor signature, F a scikit-learn
  pipeline on 30 named columns, C a small residual net on images of 3 × 32 × 32, whose computing is the cost.
- Memory is the proportional set size of all of a server's processes.
"""
_CHECKED = """\
- After each load every server is asked for different rows, on as many connections (64 at most), and each answer is
  compared with its own input's expected output; one that is another's ends the benchmark. Rows compared, and right:
  {told}.
"""
_REACHED = f"""A ratio is Pinion's figure to the other's. As work grows, throughput counts as flat while
it is at least {FLAT:g} × the best with less.
"""


def write(results: Results, docs: Path) -> None:
    """The page docs/benchmarks.md, and its plots in docs/benchmarks/."""
    drawn = plots.write(results, docs / "benchmarks")
    (docs / "benchmarks.md").write_text("\n".join(_page(results, drawn)))


def _revisions(results: Results) -> Iterator[tuple[str, str]]:
    """What was measured: one revision of Pinion, or which parts at which, where some were measured again."""
    parts: dict[str, list[str]] = {}
    for part, revision in results.get("revisions", {}).items():
        parts.setdefault(revision, []).append(part)
    for revision, some in parts.items():
        yield ("revision" if len(parts) == 1 else f"revision of {', '.join(some)}", revision)


def _page(results: Results, drawn: Mapping[str, str]) -> Iterator[str]:
    yield from (_HEAD, _HOW.rstrip(), _checks(results))
    if machine := results.get("machine"):
        yield "## Machine\n"
        yield from _table(["", ""], [*machine.items(), *_revisions(results)], numeric=False)
    yield from _reached(results)
    for part, section in _SECTIONS.items():
        if part in results:
            yield from section(results[part])
    if drawn:
        yield "## Plots\n"
        yield from (f"![{told}](benchmarks/{name})\n" for name, told in drawn.items())


def _checks(results: Results) -> str:
    """How many answers were compared, in all and by server; nothing if none were."""
    counts: dict[str, int] = {}
    for part in ("t", "f"):
        for server, numbers in results.get(part, {}).items():
            counts[server] = counts.get(server, 0) + numbers.get("checked", 0)
    for server, numbers in results.get("rows", {}).items():
        name = PINION if server in FORMS else MLFLOW
        counts[name] = counts.get(name, 0) + numbers.get("checked", 0)
    more = [results.get("compute", {}), *results.get("models", {}).values()]
    counts[PINION] = counts.get(PINION, 0) + sum(one.get("checked", 0) for one in more)
    each = ", ".join(f"{count:,} of {server}" for server, count in counts.items() if count)
    return _CHECKED.format(told=f"{sum(counts.values()):,}\n  ({each})") if each else ""


def _reached(results: Results) -> Iterator[str]:
    judged = list(verdicts(results))
    if not judged:
        return
    yield f"## What was to be reached\n\n{sum(one.met for one in judged)} of {len(judged)} are met. {_REACHED}"
    told = ((one.goal.figure, one.goal.reach, one.measured, "met" if one.met else "**missed**") for one in judged)
    yield from _table(["figure", "reach", "measured", ""], told, numeric=False)


_BY_CONNECTIONS = {
    "rps": "requests a second",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "memory_mb": "memory, MB",
}


def _connections(title: str) -> Callable[[Results], Iterator[str]]:
    """The section of a model's numbers by server and number of connections."""

    def section(servers: Results) -> Iterator[str]:
        yield f"## {title}\n"
        for figure, told in _BY_CONNECTIONS.items():
            yield from _by_level(f"{told}, by connections", servers, figure)
        yield from _failures(servers)

    return section


def _failures(servers: Results) -> Iterator[str]:
    """Which of the requests were not answered, or refused, where some were."""
    for server, numbers in servers.items():
        for level in levels(numbers):
            refused, failed = _unanswered(numbers[str(level)])
            if (refused, failed) != ("0", "0"):
                yield f"- {server}, {level:,} connections: {refused} refused, {failed} failed in all rounds.\n"


def _rows(forms: Results) -> Iterator[str]:
    yield "## T, many rows a request\n\nOn four connections; answers in the format of the request.\n"
    ours = {f"{PINION}, {form}": forms[form] for form in FORMS if form in forms}
    others = {name: numbers for name, numbers in forms.items() if name not in FORMS}
    yield from _by_level("rows a second, by rows a request", ours | others, "rows_per_second")
    yield from _by_level("memory, MB, after them", ours, "memory_mb")


def _compute(found: Results) -> Iterator[str]:
    yield "## C, beside the bare model\n\nThe bare model is called in a loop, with no server around it.\n"
    yield from _by_level("rows a second, by rows a batch", {"bare model": found["bare"]}, None)
    loads = {
        f"{PINION}, 16 connections": found[PINION],
        f"{PINION}, asked five times as much, room for 64 waiting rows": found["overload"],
    }
    yield from _loads(loads)
    size, best = max(found["bare"].items(), key=lambda one: one[1])
    kept, good = number(found[PINION]["rps"] / best), number(found["overload"]["rps"] / found[PINION]["rps"])
    yield f"{kept} × the bare model's best, with batches of {size}. Asked too much: {good} × as many good answers.\n"
    yield "Batches that Pinion took of the 16 connections, once warm:\n"
    ends = {end: count for end, count in found["batches"].items() if count}
    names = [f"{float(end):,g}" if end != "+Inf" else "more" for end in ends]
    yield from _table(["of up to so many rows", *names], [["batches", *(f"{count:,.0f}" for count in ends.values())]])


def _spared(found: Results) -> Iterator[str]:
    size, best = max(found["bare"].items(), key=lambda one: one[1])
    yield "## C, with a core for the server\n"
    yield (
        "Above, the model's two threads have both cores, and each moment that the server or the load takes of one holds"
        " up the other.\nWith one thread for the model, beside the bare model with one:\n"
    )
    yield from _loads({f"{PINION}, 16 connections": found[PINION]})
    kept = number(found[PINION]["rps"] / best)
    yield f"{kept} × the bare model's best, {number(best)} rows/s in batches of {size}.\n"


def _footprint(servers: Results) -> Iterator[str]:
    yield "## Memory and start, T\n\nEach by itself, after some seconds of requests; Pinion's environment is warm.\n"
    told = (
        (server, *map(number, (one["start_seconds"], one["memory_mb"])), _front(server, one))
        for server, one in servers.items()
    )
    yield from _table(["", "start to first answer, s", "memory, MB", "of it the front, MB"], told)


def _front(server: str, one: Results) -> str:
    return number(one["front_mb"]) if server == PINION else _NOTHING  # the others' first process is no front


def _switch(found: Results) -> Iterator[str]:
    yield "## Switch of a release\n"
    yield (
        f"{number(found['seconds'])} s from the change of `models.dvc` to an answer by the other release, with its"
        " environment cached,\nunder the load of 64 connections on T.\n"
    )
    yield from _loads({"steady": found["steady"], "with a switch": found["during"]})


def _models(found: Results) -> Iterator[str]:
    yield "## Many models in a release\n\nEach like T with a worker of its own, asked in turn on 64 connections.\n"
    told = {
        "requests a second": "rps",
        "p50, ms": "p50_ms",
        "p99, ms": "p99_ms",
        "memory, MB": "memory_mb",
        "of it the front, MB": "front_mb",
        "start to first answer, s": "start_seconds",
    }
    counts = levels(found)
    lines = ([name, *(number(found[str(count)][key]) for count in counts)] for name, key in told.items())
    yield from _table(["models", *(f"{count:,}" for count in counts)], lines)


_SECTIONS: Mapping[str, Callable[[Results], Iterator[str]]] = {
    "t": _connections("T, one row a request"),
    "f": _connections("F, one row a request"),
    "rows": _rows,
    "compute": _compute,
    "spared": _spared,
    "footprint": _footprint,
    "switch": _switch,
    "models": _models,
}


def _by_level(title: str, some: Results, figure: str | None) -> Iterator[str]:
    """A line a server, a column an amount of work; the number itself, or its `figure`."""
    across = sorted({level for numbers in some.values() for level in levels(numbers)})

    def cell(numbers: Results, level: int) -> str:
        found = numbers.get(str(level))
        return _NOTHING if found is None else number(found[figure] if figure else found)

    lines = ([server, *(cell(numbers, level) for level in across)] for server, numbers in some.items())
    yield from _table([title, *(f"{level:,}" for level in across)], lines)


def _loads(some: Mapping[str, Results]) -> Iterator[str]:
    head = ["", "good answers a second", "p50, ms", "p99, ms", "refused", "failed"]
    told = [
        [name, *(number(one[key]) for key in ("rps", "p50_ms", "p99_ms")), *_unanswered(one)]
        for name, one in some.items()
    ]
    yield from _table(head, told)


def _unanswered(one: Results) -> tuple[str, str]:
    return f"{one['refused']:,.0f}", f"{one['failed']:,.0f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], *, numeric: bool = True) -> Iterator[str]:
    """The first column to the left; the others to the right, unless they are words. Pinion's lines are bold."""
    yield _line(head)
    yield _line(["---", *["---:" if numeric else "---"] * (len(head) - 1)])
    for first, *rest in lines:
        cells = [_SHOWN.get(first, first), *rest]
        yield _line([f"**{cell}**" for cell in cells] if first.startswith(PINION) else cells)
    yield ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
