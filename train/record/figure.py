"""The confusion matrix as a figure: counts and class names in, a matplotlib figure out.

Built without pyplot: no global state, no window, no backend to choose.
"""

from matplotlib.figure import Figure

from train.loop import Evaluation


def confusion_figure(evaluation: Evaluation, classes: tuple[str, ...], title: str) -> Figure:
    """Rows are the actual classes, columns the predicted ones; each cell shows its count."""
    counts = evaluation.confusion
    side = 2.5 + 0.45 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="actual", title=f"{title}: accuracy {evaluation.accuracy:.4f}")
    half = counts.max() / 2
    for (actual, predicted), count in _cells(counts.tolist()):
        colour = "white" if count > half else "black"
        axes.text(predicted, actual, str(count), ha="center", va="center", color=colour)
    return figure


def _cells(rows: list[list[int]]) -> list[tuple[tuple[int, int], int]]:
    return [((i, j), count) for i, row in enumerate(rows) for j, count in enumerate(row)]
