"""Training history: loss, accuracy and learning rate of each epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import ACCENT, INK, MUTED

Rows = Sequence[Mapping[str, float | str | None]]


def plot_history(path: Path, rows: Rows, task: str = "", run: str = "", images: int | None = None) -> None:
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
    style.style_axes(
        panels[0], "Training history", style.context(task, run, images), _caption(rows, best), above=starts
    )
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


def _caption(rows: Rows, best: Sequence[int]) -> str:
    if not best:
        return ""
    row = rows[best[-1]]
    accuracy = "" if row["val_accuracy"] is None else f", accuracy {row['val_accuracy']:.3f}"
    return f"the weights are those of epoch {row['epoch']}: validation loss {row['val_loss']:.3f}{accuracy}"


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
