"""The plots of a run's results: SVG files in, nothing out but their names; the same numbers make the same bytes.

Each is a white card, readable on a light page and a dark one, with Pinion drawn strongly and each line named at its
end. Matplotlib's own font is used and drawn as shapes, so that every viewer shows the same.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from benchmarks.reach import ECHO, FORMS, MLFLOW, MOSEC, PINION, TUNED, Results, levels

_INK, _QUIET, _HAIR = "#1f2328", "#656d76", "#e4e7eb"
_BLUE, _SKY, _SAND, _GREY = "#0a4fd0", "#2b7bd9", "#a8681c", "#737b85"
_STYLE: Mapping[str, tuple[str, float, str]] = {  # colour, width, dashes
    PINION: (_BLUE, 2.8, "-"),
    "Pinion, JSON": (_BLUE, 2.8, "-"),
    "front and workers": (_BLUE, 2.8, "-"),
    "the front alone": (_SKY, 1.6, "-"),
    "Open Inference": (_SKY, 1.6, "-"),
    "Arrow": (_SKY, 1.6, "--"),
    "npy": (_SKY, 1.6, ":"),
    MOSEC: (_SAND, 1.6, "-"),
    TUNED: (_SAND, 1.6, "--"),
    "the empty echo": (_GREY, 1.4, ":"),
    "mlflow": (_GREY, 1.6, "-"),
    "mlflow, JSON": (_GREY, 1.6, "-"),
}
_NAMES = {ECHO: "the empty echo", MLFLOW: "mlflow", "JSON": "Pinion, JSON"}
_HEIGHT, _WIDTH, _MARGIN = 4.0, 10.0, 0.02  # inches
_LABEL = 13.0  # points between the names of two lines


@dataclass(frozen=True, slots=True)
class Line:
    """Its name, and y by x."""

    name: str
    points: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes; x is logarithmic unless `even`."""

    title: str
    across: str
    lines: Sequence[Line]
    log_y: bool = False
    even: bool = False


def write(results: Results, folder: Path) -> Mapping[str, str]:
    """Each plot whose numbers there are, into the folder; by the name of its file, what it shows."""
    drawn = {}
    for part, (name, told, panels) in _PLOTS.items():
        if part in results:
            folder.mkdir(parents=True, exist_ok=True)
            _card(panels(results[part]), folder / name)
            drawn[name] = told
    return drawn


def _connections(servers: Results) -> list[Panel]:
    across = "connections"
    return [
        Panel("T: requests a second", across, _lines(servers, "rps")),
        Panel("T: p99 of latency, ms", across, _lines(servers, "p99_ms"), log_y=True),
    ]


def _rows(forms: Results) -> list[Panel]:
    kept = {form: forms[form] for form in (*FORMS, "mlflow, JSON") if form in forms}
    return [Panel("T: rows a second", "rows a request", _lines(kept, "rows_per_second"), log_y=True)]


def _models(some: Results) -> list[Panel]:
    across = "models in the release"
    memory = [
        Line("front and workers", _points(some, "memory_mb")),
        Line("the front alone", _points(some, "front_mb")),
    ]
    return [
        Panel("Requests a second", across, [Line(PINION, _points(some, "rps"))], even=True),
        Panel("Memory, MB", across, memory, even=True),
    ]


_PLOTS: Mapping[str, tuple[str, str, Callable[[Results], list[Panel]]]] = {
    "t": ("connections.svg", "T: requests a second, and p99, against connections", _connections),
    "rows": ("rows.svg", "T: rows a second against rows a request, by format", _rows),
    "models": ("models.svg", "Requests a second, and memory, against models in a release", _models),
}


def _lines(some: Results, of: str) -> list[Line]:
    return [Line(_NAMES.get(name, name), _points(numbers, of)) for name, numbers in some.items() if levels(numbers)]


def _points(numbers: Results, of: str) -> Mapping[int, float]:
    return {level: numbers[str(level)][of] for level in levels(numbers)}


def _style(name: str) -> tuple[str, float, str]:
    return _STYLE.get(name, (_GREY, 1.6, "-."))


def _card(panels: Sequence[Panel], path: Path) -> None:
    with mpl.rc_context(
        {"svg.hashsalt": "pinion", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}
    ):
        figure = Figure(figsize=(_WIDTH, _HEIGHT))
        box = FancyBboxPatch(
            (_MARGIN, _MARGIN),
            _WIDTH - 2 * _MARGIN,
            _HEIGHT - 2 * _MARGIN,
            boxstyle="round,pad=0,rounding_size=0.1",
            transform=figure.dpi_scale_trans,
            facecolor="white",
            edgecolor=_HAIR,
            linewidth=1,
        )
        figure.add_artist(box).set_zorder(-1)
        each, left, names = 1 / len(panels), 0.082, 0.13  # of the card: room for the numbers of y, and for names
        for at, panel in enumerate(panels):
            _draw(panel, figure.add_axes((at * each + left, 0.155, each - left - names, 0.67)))
        figure.savefig(path, format=path.suffix[1:], transparent=True, metadata={"Date": None, "Creator": None})


def _draw(panel: Panel, axes: Axes) -> None:
    for line in panel.lines:
        colour, width, dashes = _style(line.name)
        axes.plot(
            [*line.points],
            [*line.points.values()],
            color=colour,
            linewidth=width,
            linestyle=dashes,
            marker="o",
            markersize=width + 1.6,
            markeredgewidth=0,
            zorder=4 if line.name.startswith(PINION) else 3,
            clip_on=False,
        )
    _scales(panel, axes)
    axes.set_title(panel.title, loc="left", color=_INK, fontsize=11, fontweight="bold", pad=14)
    axes.set_xlabel(panel.across, color=_QUIET, labelpad=6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_QUIET)
    axes.grid(axis="y", color=_HAIR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="both", length=0, colors=_QUIET, pad=6)
    _name_lines(panel.lines, axes)


def _scales(panel: Panel, axes: Axes) -> None:
    if not panel.even:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
    axes.xaxis.set_major_locator(FixedLocator(sorted({x for line in panel.lines for x in line.points})))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(plain)
        axis.set_minor_locator(NullLocator())


def _name_lines(lines: Sequence[Line], axes: Axes) -> None:
    """Each name right of its line's last point; names that would touch are moved apart."""
    for ends in {max(line.points) for line in lines}:
        here = [line for line in lines if max(line.points) == ends]
        heights = {line.name: _height(axes, ends, line.points[ends]) for line in here}
        names = sorted(heights, key=lambda name: heights[name])
        foot = axes.bbox.y0 * 72 / axes.figure.dpi + _LABEL / 2  # names stay off the axis
        for name, place in zip(names, _apart([max(foot, heights[name]) for name in names], _LABEL), strict=True):
            axes.annotate(
                name,
                (ends, next(line.points[ends] for line in here if line.name == name)),
                xytext=(8, place - heights[name]),
                textcoords="offset points",
                verticalalignment="center",
                color=_style(name)[0],
                fontweight="bold" if name.startswith(PINION) else "normal",
                annotation_clip=False,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},  # no grid through a name
            )


def _height(axes: Axes, x: float, y: float) -> float:
    """In points, from the card's foot."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.transData.transform((x, y))[1] * 72 / figure.dpi)


def _apart(wanted: Sequence[float], gap: float) -> Iterator[float]:
    """Places as near as can be to those wanted, which ascend, with at least `gap` between two."""
    blocks: list[list[float]] = []
    for at, place in enumerate(wanted):
        blocks.append([place - at * gap])
        while len(blocks) > 1 and statistics.mean(blocks[-2]) > statistics.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = [statistics.mean(block) for block in blocks for _ in block]
    yield from (place + at * gap for at, place in enumerate(level))
