"""Curves: precision and recall, reliability, coverage and risk, training history."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.bars import BAR, COLUMN, draw_bars, two_columns
from fashion_keras.evaluation.plots.style import ACCENT, FAINT, GRID, INK, MUTED

STABLE_COVERAGE = 0.05  # of the rows: below it, one error moves the risk too far to set the scale

Curve = tuple[str, np.ndarray, np.ndarray, float]
Rows = Sequence[Mapping[str, float | str | None]]


def plot_precision_recall(
    path: Path,
    classes: Sequence[str],
    average_precisions: Sequence[float | None],
    micro: tuple[np.ndarray, np.ndarray, float],
    task: str = "",
    run: str = "",
    images: int | None = None,
    data: str = "",
) -> None:
    """Micro-averaged precision-recall curve, and beside it the average precision (AP) of each class as bars.

    Bars are sorted, best first. Of more than 40 classes, the 20 best and the 20 worst are drawn. A class whose AP is
    NaN or None is left out. `micro`: precision [t], recall [t] and AP of all classes together.
    """
    areas = np.array(average_precisions, dtype=np.float64)
    order = np.argsort(-areas, kind="stable")[: int((~np.isnan(areas)).sum())]
    columns, between = two_columns(order)
    tall = max(4.0, BAR * len(columns[0]))
    width = 4.5 + 4.6 * len(columns)
    figure = Figure(figsize=(width, tall))
    axes = figure.add_axes((0, 1 - 4 / tall, 4 / width, 4 / tall))
    _draw_micro_curve(axes, *micro[:2])
    for place, column in enumerate(columns if len(order) else ()):
        share = BAR * len(column) / tall
        bars = figure.add_axes(((6.4 + 4.6 * place) / width, 1 - share, 2.2 / width, share))
        draw_bars(bars, [classes[i] for i in column], areas[column], [f"{areas[i]:.3f}" for i in column])
        bars.set_xlim(0, 1)
        style.style_axes(bars)
    if len(order):
        few = f": the {COLUMN} best and the {COLUMN} worst, {between} more between" if between else ", best first"
        style.style_axes(figure.axes[1], "", f"average precision (AP) of each class{few}")
    caption = f"nearer to the upper right is better; micro-averaged AP {micro[2]:.3f}"
    style.style_axes(
        axes, "Precision and recall of all classes together", style.context(task, run, images, data), caption
    )
    style.save(figure, path)


def plot_reliability(
    path: Path,
    task: str,
    rows: np.ndarray,
    confidence: np.ndarray,
    accuracy: np.ndarray,
    error: float,
    run: str = "",
    data: str = "",
) -> None:
    """Reliability diagram: accuracy within each bin of confidence, and below it the share of rows in each bin.

    `rows`, `confidence`, `accuracy` [bins] as `calibration.reliability` returns them; `error`: expected calibration
    error.
    """
    style.require_nonempty(rows, "bins")
    figure = Figure(figsize=(5, 6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    edges = np.linspace(0, 1, len(rows) + 1)
    width = edges[1]
    bars = upper.bar(edges[:-1], np.nan_to_num(accuracy), width, align="edge", color=ACCENT, edgecolor="white")
    ideal = upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))[0]
    dots = upper.plot(confidence, accuracy, "o", color=INK, markersize=4.5, clip_on=False)[0]
    names = ["accuracy of a bin", "at its mean confidence", "accuracy = confidence"]
    style.legend(upper, [bars, dots, ideal], names, None)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    lower.bar(edges[:-1], rows / rows.sum(), width, align="edge", color=FAINT, edgecolor=MUTED, linewidth=0.5)
    lower.set(xlabel="confidence", ylabel="share of rows")
    caption = f"dots below the dashed line: overconfident; expected calibration error {error:.3f}"
    style.style_axes(upper, "Reliability diagram", style.context(task, run, int(rows.sum()), data), caption)
    style.style_axes(lower)
    style.save(figure, path)


def plot_coverage_risk(
    path: Path, curves: Sequence[Curve], run: str = "", images: int | None = None, data: str = ""
) -> None:
    """Risk against coverage, one curve per confidence score, the smallest area named first.

    The scale is that of coverages from 5 % on: among the first few rows one error is a large risk. At most 12 of
    `curves`: (name, coverage [t], risk [t], area under the curve).
    """
    style.require_nonempty(curves, "curves")
    axes = style.new_axes(6, 4)
    ranked = sorted(zip(curves, style.curve_styles(len(curves)), strict=True), key=lambda pair: pair[0][3])
    for (_, coverage, risk, _), line in ranked:
        # As its area sums it: a risk holds from the coverage before it on, the first from 0.
        steps = np.append(0, coverage), np.append(risk[:1], risk)
        axes.plot(*steps, linewidth=1.6, drawstyle="steps-pre", **line)
    texts = [f"{area:.4f}  {style.short_name(name)}" for (name, _, _, area), _ in ranked]
    style.legend(axes, axes.lines, texts, "area under the curve,\nsmaller is better")
    highest = max(risk[coverage >= STABLE_COVERAGE].max() for _, coverage, risk, _ in curves)
    axes.set(xlim=(0, 1), ylim=(0, 1.1 * highest or 1), xlabel="coverage: share of images with a prediction")
    axes.set_ylabel("risk: share of these that is wrong")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    caption = "left: only the most confident predictions are used; lower is better"
    style.style_axes(axes, "Risk against coverage", style.context("", run, images, data), caption)
    style.save(axes.figure, path)


def _draw_micro_curve(axes: Axes, precision: np.ndarray, recall: np.ndarray) -> None:
    """Draw a precision-recall curve as steps, less the points on the pixel of the one before: there may be millions."""
    pixels = np.round(np.stack([precision, recall]) * 1000)
    moved = np.any(np.diff(pixels, axis=1, prepend=-1) != 0, axis=0)
    axes.plot(recall[moved], precision[moved], drawstyle="steps-post", color=INK, linewidth=2.2)
    axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def plot_history(
    path: Path, rows: Rows, task: str = "", run: str = "", images: int | None = None, data: str = ""
) -> None:
    """Loss, accuracy and learning rate against epoch; phases and each phase's best epoch are marked.

    The best epoch of a phase has its lowest validation loss: its weights are kept. `rows` hold epoch (counted through
    all phases), phase, loss, accuracy, val_loss, val_accuracy, learning_rate; None is a gap in its line. `images`: the
    number of training images.
    """
    style.require_nonempty(rows, "epochs")
    figure = Figure(figsize=(8, 8))
    panels = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1.1])
    epochs = _column(rows, "epoch")
    best = best_epochs(rows)
    for axes, name in zip(panels[:2], ("loss", "accuracy"), strict=True):
        validation = _column(rows, f"val_{name}")
        train_line = axes.plot(epochs, _column(rows, name), ".--", color=MUTED, linewidth=1.2)
        validation_line = axes.plot(epochs, validation, ".-", color=ACCENT, linewidth=1.8)
        ring = axes.plot(epochs[best], validation[best], "o", color=INK, markersize=9, markerfacecolor="none")
        axes.set_ylabel(name)
    handles, names = [*validation_line, *train_line, *ring], ["validation", "training", "best epoch of a phase"]
    style.legend(panels[0], handles, names, None)
    panels[2].plot(epochs, _column(rows, "learning_rate"), ".-", color=INK, linewidth=1.2, drawstyle="steps-mid")
    panels[2].set(yscale="log", ylabel="learning rate", xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    panels[2].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    starts = _mark_phases(panels, epochs, [row["phase"] for row in rows])
    caption = ""
    if best:
        row = rows[best[-1]]
        accuracy = "" if row["val_accuracy"] is None else f", accuracy {row['val_accuracy']:.3f}"
        caption = f"the weights are those of epoch {row['epoch']}: validation loss {row['val_loss']:.3f}{accuracy}"
    style.style_axes(panels[0], "Training history", style.context(task, run, images, data), caption, above=starts)
    style.style_axes(panels[1])
    style.style_axes(panels[2])
    style.save(figure, path)


def best_epochs(rows: Rows) -> list[int]:
    """Indices of the rows with the lowest validation loss of their phase; a phase without any has none."""
    best: dict[str, int] = {}
    for i, row in enumerate(rows):
        loss, rival = row["val_loss"], best.get(row["phase"])
        if loss is not None and not np.isnan(loss) and (rival is None or loss < rows[rival]["val_loss"]):
            best[row["phase"]] = i
    return list(best.values())


def _column(rows: Rows, name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _mark_phases(panels: Sequence[Axes], epochs: np.ndarray, phases: Sequence[str]) -> int:
    """Write each phase above its first epoch, each a line higher, draw a line where it changes, and count them."""
    starts = [i for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    for number, i in enumerate(starts):
        place = epochs[i] - 0.5 if i == 0 else (epochs[i - 1] + epochs[i]) / 2
        for axes in panels if i else ():
            axes.axvline(place, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        spot = {"xycoords": ("data", "axes fraction"), "xytext": (2, 4 + number * 12), "textcoords": "offset points"}
        panels[0].annotate(f"phase {style.short_name(phases[i])}", (place, 1), fontsize=9, color=INK, **spot)
    return len(starts)
