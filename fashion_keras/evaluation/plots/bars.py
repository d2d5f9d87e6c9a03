"""Bars and dots: accuracy of each class and condition, images of each class, labels of each image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import ACCENT, FAINT, GRID, INK, MUTED
from fashion_keras.support.errors import InputError

BAR = 0.24  # inches from one bar to the next
COLUMN = 20  # bars in one column of plot_class_accuracy, which has at most two
LARGEST = 30  # bars in one panel of plot_class_counts
PARTS = (ACCENT, FAINT, INK)
PANELS = 3  # side by side in plot_accuracy_by_condition
LIGHT = "#6fb3bf"


def plot_class_accuracy(
    path: Path,
    classes: Sequence[str],
    recall: np.ndarray,
    support: np.ndarray,
    interval: np.ndarray,
    task: str = "",
    run: str = "",
    data: str = "",
) -> None:
    """Accuracy within each class as bars, best first, with a 95 % interval (schindler2018, fig. 3).

    More than 20 classes stand in two columns. Of more than 40, the 20 best and the 20 worst are drawn. A class whose
    recall is NaN or None has no bar and stands last. `recall` [k] in 0..1; `support` [k] int: images of each class;
    `interval` [2, k]: its ends.
    """
    recall = np.asarray(recall, dtype=np.float64)
    order = np.argsort(-recall, kind="stable")  # NaN sorts last
    columns, between = two_columns(order)
    figure = Figure(figsize=(6.6 * len(columns), BAR * len(columns[0])))
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        texts = [f"{recall[i]:.1%}   n = {support[i]:,}" if recall[i] >= 0 else "no images" for i in column]
        whiskers = np.nan_to_num(np.abs(interval - recall)[:, column])
        draw_bars(axes, [classes[i] for i in column], np.nan_to_num(recall[column]), texts, whiskers)
        axes.set(xlim=(0, 1), ylim=(len(columns[0]) - 0.4, -0.6))
        style.style_axes(axes)
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.85)
    caption = "share of each class that is predicted right, best first; line: 95 % interval, wide where images are few"
    few = f"the {COLUMN} best and the {COLUMN} worst; {between} classes between them are left out" if between else ""
    images = int(np.sum(support))
    style.style_axes(figure.axes[0], "Accuracy of each class", style.context(task, run, images, data), caption, few)
    style.save(figure, path)


def plot_class_counts(path: Path, counts: Mapping[str, Mapping[str, int]], title: str = "Images per class") -> None:
    """Images of each class (`counts`: task -> class -> images), a panel per task, largest first.

    Classes after the 30th are summed as "N more".
    """
    style.require_nonempty(counts, "tasks")
    filled = [0.7] * min(3, len(counts))  # inches of each column of panels; the title stands above
    panels = []
    for task, sizes in counts.items():
        column = int(np.argmin(filled))
        ranked = sorted(sizes.items(), key=lambda item: -item[1])
        bars = dict(ranked[:LARGEST])
        if len(ranked) > LARGEST:
            bars[f"{len(ranked) - LARGEST} more"] = sum(count for _, count in ranked[LARGEST:])
        panels.append((task, bars, column, filled[column] + 0.6))
        filled[column] += BAR * len(bars) + 0.85
    width, height = 5.2 * len(filled), max(filled)
    figure = Figure(figsize=(width, height))
    figure.text(0, 1 - 0.25 / height, title, fontsize=14, color=INK)
    for task, bars, column, top in panels:
        tall = BAR * len(bars)
        axes = figure.add_axes(((5.2 * column + 2.1) / width, 1 - (top + tall) / height, 2.2 / width, tall / height))
        draw_bars(axes, list(bars), list(bars.values()), [f"{count:,}" for count in bars.values()])
        for bar in axes.patches[LARGEST:]:
            bar.set_color(FAINT)  # the sum of many classes
        images = sum(counts[task].values())
        style.style_axes(axes, style.short_name(task), f"{len(counts[task])} classes  ·  {images:,} labels")
    style.save(figure, path)


def plot_labels_per_image(path: Path, parts: Mapping[str, np.ndarray], run: str = "", data: str = "") -> None:
    """Share of the images that have 0, 1, ... labels, as bars for each of at most 3 parts (guo2019, fig. 2).

    `parts`: name -> images [m + 1] int that have 0, 1, ..., m labels.
    """
    style.require_nonempty(parts, "parts")
    if len(parts) > len(PARTS):
        raise InputError(f"{len(parts)} parts, but there are colors for {len(PARTS)}")
    axes = style.new_axes(7, 3)
    width = 0.8 / len(parts)
    texts = []
    for place, (name, counts) in enumerate(parts.items()):
        labels, images = np.arange(len(counts)), counts.sum()
        offset = (place - (len(parts) - 1) / 2) * width
        axes.bar(labels + offset, counts / images, width, color=PARTS[place], edgecolor=INK, linewidth=0.4)
        texts.append(f"{style.short_name(name)}: n = {images:,}, mean {labels @ counts / images:.1f}")
    style.legend(axes, axes.containers, texts, None)
    axes.set(xlabel="labels of an image", ylabel="share of images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    context = style.context("", run, int(next(iter(parts.values())).sum()), data)
    style.style_axes(axes, "Labels per image", context, "equal bars: as many labels as there are")
    style.save(axes.figure, path)


def two_columns(order: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Split indices into one or two columns of 20 bars at most, and count those of the middle that are left out."""
    if len(order) > 2 * COLUMN:
        return [order[:COLUMN], order[-COLUMN:]], len(order) - 2 * COLUMN
    return np.array_split(order, 1 + (len(order) > COLUMN)), 0


def draw_bars(
    axes: Axes, names: Sequence[str], values: Sequence[float], texts: Sequence[str], whiskers: np.ndarray | None = None
) -> None:
    """Draw horizontal bars from the top down, each with its text at the end instead of an axis.

    `whiskers` [2, n] extend so far below and above the values; the text then stands right of 1.
    """
    bar_style = {"ecolor": INK, "error_kw": {"elinewidth": 1, "capsize": 2, "clip_on": False}}
    color = ACCENT if whiskers is None else LIGHT  # on which the whiskers can be seen
    bars = axes.barh(range(len(names)), values, height=0.72, color=color, xerr=whiskers, **bar_style)
    if whiskers is None:
        axes.bar_label(bars, texts, padding=4, fontsize=8.5, color=MUTED)
    else:
        for place, text in enumerate(texts):
            axes.text(1.03, place, text, fontsize=8.5, color=MUTED, va="center", clip_on=False)
    axes.set_yticks(range(len(names)), [style.short_name(name) for name in names])
    axes.set(xlim=(0, None), ylim=(len(names) - 0.4, -0.6))
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def plot_accuracy_by_condition(
    path: Path, series: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], data: str = ""
) -> None:
    """Accuracy with its interval by condition, one panel for each run and head, up to 3 side by side.

    `series`: (run, head) -> rows, each with condition, products, accuracy, low, high; the same conditions in all. A
    dashed line goes down from the first condition, the reference.
    """
    style.require_nonempty(series, "conditions")
    columns = min(PANELS, len(series))
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
        style.style_axes(axes, title, style.context(images=rows[0]["products"], data=data))
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


def plot_differences(path: Path, rows: Sequence[tuple[str, float, tuple[float, float]]], title: str, note: str) -> None:
    """Differences from a reference as dots with 95 % intervals, the first row on top; a dashed line is no difference.

    `rows`: (name, difference, ends of its interval). An interval that leaves 0 out is drawn in full color.
    """
    style.require_nonempty(rows, "differences")
    axes = style.new_axes(6, 0.34 * len(rows) + 0.4)
    axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    for place, (_, value, (low, high)) in enumerate(rows):
        color = MUTED if low <= 0 <= high else ACCENT
        marker = {"color": color, "markersize": 5, "markerfacecolor": "white" if color == MUTED else color}
        axes.errorbar([value], [place], xerr=[[value - low], [high - value]], fmt="o", elinewidth=1.4, **marker)
        axes.text(
            1.02, place, f"{value:+.3f}", transform=axes.get_yaxis_transform(), fontsize=9, va="center", color=INK
        )
    axes.set_yticks(range(len(rows)), [style.short_name(name, 50) for name, _, _ in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="difference and its 95 % interval")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    style.style_axes(axes, title, note, "hollow: the interval holds 0, so that no difference is shown")
    style.save(axes.figure, path)
