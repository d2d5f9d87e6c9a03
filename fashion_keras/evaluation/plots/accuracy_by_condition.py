"""Accuracy under each condition of a robustness check."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import ACCENT, GRID, MUTED

COLUMNS = 3


def plot_accuracy_by_condition(path: Path, series: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> None:
    """Accuracy with its interval by condition, one panel for each run and head, up to 3 side by side.

    `series`: (run, head) -> rows, each with condition, products, accuracy, low, high; the same conditions in all. A
    dashed line goes down from the first condition, the reference.
    """
    style.require_nonempty(series, "conditions")
    columns = min(COLUMNS, len(series))
    lines = -(-len(series) // columns)
    tall = len(next(iter(series.values())))
    size = (6 if columns == 1 else 3.6 * columns, (0.28 * tall + 0.6) * lines + 1.1 * (lines - 1))
    figure = Figure(figsize=size)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in grid[len(series) :]:
        axes.remove()
    for axes, ((run, head), rows) in zip(grid, series.items(), strict=False):
        _draw_panel(axes, rows)
        title = f"{style.short_name(Path(run).name)}: {style.short_name(head)}"
        style.style_axes(axes, title, f"{rows[0]['products']:,} images")
    figure.subplots_adjust(hspace=1.4 / (0.28 * tall), wspace=0.12)
    style.save(figure, path)


def _draw_panel(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    places = range(len(rows))
    accuracies = [row["accuracy"] for row in rows]
    spread = [[row["accuracy"] - row["low"] for row in rows], [row["high"] - row["accuracy"] for row in rows]]
    axes.axvline(accuracies[0], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.errorbar(accuracies, places, xerr=spread, fmt="o", color=ACCENT, markersize=4.5, elinewidth=1.4)
    axes.set_yticks(places, [row["condition"] for row in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="accuracy and its 95 % interval;\ndashed: unchanged images")
    axes.tick_params(axis="x", labelbottom=True)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
