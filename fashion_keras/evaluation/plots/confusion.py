"""Heat maps of pairs of classes: confusion matrix and co-occurrence of labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import ACCENT, GRID

MOST = 25  # rows of a heat map: with more, its cells cannot be read on a page
CELL = 0.36  # inches
# From white to almost black: the lightness rises evenly, so that the map can be read in gray.
HEAT = LinearSegmentedColormap.from_list("heat", ["#ffffff", "#9ad4dd", ACCENT, "#052f38"]).with_extremes(bad=GRID)


def plot_confusion(
    path: Path, counts: np.ndarray, classes: Sequence[str], task: str = "", run: str = "", data: str = ""
) -> None:
    """Confusion matrix as a heat map of each row's shares.

    Of more than 25 classes, the 25 that take part in most errors are drawn, in the order given; what is predicted to
    be any of the others stands in a last column. Cells from 1 % on are labeled; a class without images is a gray band.
    `counts` [k, k] int: images by true class (rows) and predicted class (columns).
    """
    errors = counts * ~np.eye(len(classes), dtype=bool)
    shown = _most_frequent(errors.sum(axis=0) + errors.sum(axis=1))
    columns = counts[np.ix_(shown, shown)]
    names = [classes[i] for i in shown]
    captions = ["each row sums to 100 %: on the diagonal what is right, beside it what it is taken for"]
    if len(shown) < len(classes):
        columns = np.column_stack([columns, counts[shown].sum(axis=1) - columns.sum(axis=1)])
        captions.append(f"the {len(shown)} of {len(classes)} classes with the most errors")
    images = counts.sum(axis=1)[shown]
    share = validation.ratio(columns, images[:, None])
    axes = _heat_map(share, names, [*names, "any other"][: columns.shape[1]], images)
    axes.set(xlabel="predicted class", ylabel="true class and its images")
    _finish(path, axes, "Confusion matrix, %", style.context(task, run, int(counts.sum()), data), *captions)


def plot_co_occurrence(
    path: Path,
    counts: np.ndarray,
    labels: Sequence[str],
    images: int | None = None,
    run: str = "",
    data: str = "",
) -> None:
    """Co-occurrence of labels as a heat map: of the images with the row's label, the share with the column's.

    `counts` [k, k] int: images that have both labels. The diagonal is gray, as is a label without any. Of more than 25
    labels, the 25 most frequent are drawn, in the order given.
    """
    style.require_nonempty(labels, "labels")
    shown = _most_frequent(np.diag(counts))
    own = np.diag(counts)[shown]
    share = validation.ratio(counts[np.ix_(shown, shown)], own[:, None])
    np.fill_diagonal(share, np.nan)
    names = [labels[i] for i in shown]
    axes = _heat_map(share, names, names, own)
    axes.set(xlabel="have this label, too", ylabel="label and its images")
    few = f"the {len(shown)} most frequent of {len(labels)} labels" if len(shown) < len(labels) else ""
    caption = "a dark cell: images with the row's label mostly have the column's, too"
    _finish(path, axes, "Labels that occur together, %", style.context("", run, images, data), caption, few)


def _most_frequent(sizes: np.ndarray) -> np.ndarray:
    """Indices of the MOST largest sizes [k], in ascending order."""
    return np.sort(np.argsort(-sizes, kind="stable")[:MOST])


def _heat_map(share: np.ndarray, rows: Sequence[str], columns: Sequence[str], images: np.ndarray) -> Axes:
    """Draw `share` [r, c] in 0..1 as colored cells with names on both sides; NaN is gray."""
    cell = max(CELL, 3.6 / len(rows))
    axes = style.new_axes(cell * len(columns), cell * len(rows))
    axes.pcolormesh(share, cmap=HEAT, vmin=0, vmax=1, edgecolors=GRID, linewidth=0.6)
    for row, column in zip(*np.nonzero(share >= 0.01), strict=True):
        luminance = np.dot(HEAT(share[row, column])[:3], (0.2126, 0.7152, 0.0722))
        font = {"color": "white" if luminance < 0.5 else "black", "fontsize": 8.5 if len(rows) > 12 else 10}
        axes.text(column + 0.5, row + 0.5, f"{100 * share[row, column]:.0f}", ha="center", va="center", **font)
    axes.set_xticks(np.arange(len(columns)) + 0.5, map(style.short_name, columns))
    axes.tick_params(axis="x", labelrotation=45)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    names = [f"{style.short_name(name)}  {count:,}" for name, count in zip(rows, images, strict=True)]
    axes.set_yticks(np.arange(len(rows)) + 0.5, names)
    axes.set_ylim(len(rows), 0)
    return axes


def _finish(path: Path, axes: Axes, *lines: str) -> None:
    style.style_axes(axes, *lines)
    axes.spines[:].set_visible(False)
    style.save(axes.figure, path)
