"""The figure of robustness: accuracies under conditions, which it is given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import ACCENT, GRID, MUTED


def accuracies(path: Path, series: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> None:
    """Draw accuracy with its interval by condition, one panel for each series: (run, head) -> its rows.

    Each row has condition, products, accuracy, low, high; a dashed line goes down from the first, the reference.
    """
    style.require_nonempty(series, "conditions")
    count, tall = len(series), len(next(iter(series.values())))
    figure = Figure(figsize=(6 if count == 1 else 3.4 * count, 0.26 * tall + 0.6))
    panels = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
    for axes, ((run, head), rows) in zip(panels, series.items(), strict=True):
        _panel(axes, rows)
        title = f"{style.short_name(Path(run).name)}: {style.short_name(head)}"
        style.style_axes(axes, f"{title}\nn = {rows[0]['products']:,}")
    style.save(figure, path)


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    places = range(len(rows))
    centres = [row["accuracy"] for row in rows]
    spread = [[row["accuracy"] - row["low"] for row in rows], [row["high"] - row["accuracy"] for row in rows]]
    axes.axvline(centres[0], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.errorbar(centres, places, xerr=spread, fmt="o", color=ACCENT, markersize=4.5, elinewidth=1.4)
    axes.set_yticks(places, [row["condition"] for row in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="accuracy, 95 % interval\ndashed: reference")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
