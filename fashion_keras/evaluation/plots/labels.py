"""Figures of labels and of confidence. Like those of plots, they draw values that they are given and score nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import ACCENT, CURVES, FAINT, INK, MUTED
from fashion_keras.support.errors import InputError

LARGEST = 40  # labels in a heat map
SETTLED = 0.05  # of the rows: with fewer of them released, a risk jumps
PARTS = (ACCENT, FAINT, INK)

Curve = tuple[str, np.ndarray, np.ndarray, float]


def reliability(
    path: Path, name: str, rows: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray, error: float
) -> None:
    """Draw what calibration.reliability returns of a task, three arrays [bins], and the calibration error.

    Above, the accuracy within each bin as a bar and its mean confidence as a dot: on the diagonal the two agree. Below,
    the share of all rows in each bin.
    """
    style.require_nonempty(rows, "bins")
    figure = Figure(figsize=(5, 6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    edges = np.linspace(0, 1, len(rows) + 1)
    width = edges[1]
    bars = upper.bar(edges[:-1], np.nan_to_num(accuracy), width, align="edge", color=ACCENT, edgecolor="white")
    ideal = upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))[0]
    dots = upper.plot(confidence, accuracy, "o", color=INK, markersize=4, clip_on=False)[0]
    style.legend(upper, [bars, dots, ideal], ["accuracy", "at its mean confidence", "they agree"], None)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    lower.bar(edges[:-1], rows / rows.sum(), width, align="edge", color=FAINT, edgecolor="white")
    lower.set(xlabel="confidence", ylabel="share of rows")
    of = f"Reliability of {style.short_name(name)}"
    style.style_axes(upper, f"{of}; n = {rows.sum():,}, calibration error {error:.3f}")
    style.style_axes(lower, "")
    style.save(figure, path)


def coverage_risk(path: Path, curves: Sequence[Curve]) -> None:
    """Draw one curve per way to be confident, (name, coverage [t], risk [t], area), at most 12, the best named first.

    The scale is that of coverages from 5 % on: among the first few rows one error is a large risk.
    """
    style.require_nonempty(curves, "curves")
    _at_most(len(CURVES), curves, "curves")
    axes = style.new_axes(6, 4)
    ranked = sorted(zip(curves, CURVES, strict=False), key=lambda pair: pair[0][3])
    lines = [_steps(axes, coverage, risk, color) for (_, coverage, risk, _), color in ranked]
    texts = [f"{area:.4f}  {style.short_name(name)}" for (name, _, _, area), _ in ranked]
    style.legend(axes, lines, texts, "area, less is better")
    highest = max(risk[coverage >= SETTLED].max() for _, coverage, risk, _ in curves)
    axes.set(xlim=(0, 1), ylim=(0, 1.1 * highest or 1), xlabel="coverage: share of rows that are released")
    axes.set_ylabel("risk: share of the released that is wrong")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    style.style_axes(axes, "Coverage and risk")
    style.save(axes.figure, path)


def co_occurrence(path: Path, counts: np.ndarray, labels: Sequence[str]) -> None:
    """Draw `counts` [k, k] int, images with both labels, as a heat map of shares: of row's images, those with column.

    The diagonal holds each label's images and is grey, as is a label without any. Of more than 40 labels, the 40 most
    frequent are drawn, in the order given.
    """
    style.require_nonempty(labels, "labels")
    frequent = np.sort(np.argsort(-np.diag(counts), kind="stable")[:LARGEST])
    shown, images = counts[np.ix_(frequent, frequent)], np.diag(counts)[frequent]
    share = np.divide(shown, images[:, None], out=np.full(shown.shape, np.nan), where=images[:, None] > 0)
    np.fill_diagonal(share, np.nan)
    axes = style.heat_map(share, [labels[i] for i in frequent], images)
    axes.set(xlabel="also has", ylabel="label and its images")
    some = f"; the {LARGEST} most frequent of {len(labels)} labels" if len(labels) > LARGEST else ""
    style.style_axes(axes, f"Labels that go together, % of each row{some}")
    style.save(axes.figure, path)


def labels_per_image(path: Path, parts: Mapping[str, np.ndarray]) -> None:
    """Draw bars for each of at most 3 parts, part -> images [m + 1] int with 0, 1, ..., m labels (guo2019, fig. 2)."""
    style.require_nonempty(parts, "parts")
    _at_most(len(PARTS), parts, "parts")
    axes = style.new_axes(7, 3)
    width = 0.8 / len(parts)
    texts = []
    for turn, (name, counts) in enumerate(parts.items()):
        labels, images = np.arange(len(counts)), counts.sum()
        axes.bar(labels + (turn - (len(parts) - 1) / 2) * width, counts / images, width, color=PARTS[turn])
        texts.append(f"{style.short_name(name)}: n = {images:,}, mean {labels @ counts / images:.1f}")
    style.legend(axes, axes.containers, texts, None)
    axes.set(xlabel="labels", ylabel="share of images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    style.style_axes(axes, "Labels per image")
    style.save(axes.figure, path)


def _steps(axes: Axes, coverage: np.ndarray, risk: np.ndarray, color: str) -> Line2D:
    """Draw a curve as its area sums it: a risk holds from the coverage before it on, the first from 0."""
    coverage, risk = np.append(0, coverage), np.append(risk[:1], risk)
    return axes.plot(coverage, risk, color=color, linewidth=1.6, drawstyle="steps-pre")[0]


def _at_most(count: int, values: Sequence | Mapping, what: str) -> None:
    if len(values) > count:
        raise InputError(f"{len(values)} {what}, but there are colours for {count}")
