"""Figure of a learning-rate range test."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.learning_rate import smooth_losses
from fashion_keras.evaluation.plots import style


def plot_learning_rates(
    path: Path, rates: NDArray[np.float64], losses: NDArray[np.float64], suggestion: float, task: str = ""
) -> None:
    """Loss of one batch at each learning rate, smoothed, and the suggested rate; `rates` and `losses` [n]."""
    style.require_nonempty(rates, "steps")
    axes = style.new_axes(6.5, 4)
    dots = axes.plot(rates, losses, ".", color=style.FAINT, markersize=5)
    line = axes.plot(rates, smooth_losses(np.asarray(losses)), color=style.ACCENT, linewidth=2)
    mark = axes.axvline(suggestion, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)))
    names = ["loss of a batch", "smoothed", f"suggested: {suggestion:.2g}"]
    style.legend(axes, [*dots, *line, mark], names, None)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    caption = "the suggestion is where the loss falls fastest; right of the minimum training becomes unstable"
    style.style_axes(axes, "Learning-rate range test", style.context(task), caption)
    style.save(axes.figure, path)
