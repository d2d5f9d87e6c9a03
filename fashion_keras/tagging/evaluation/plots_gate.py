"""The figure of the gate. It draws values that it is given and scores nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import CURVES, INK

Curve = tuple[str, np.ndarray, np.ndarray, tuple[float, float]]


def gate(path: Path, decays: Sequence[Curve], without: Curve, with_gate: Curve) -> None:
    """Draw how many of the released are outliers, against coverage: without a gate, with other weight decays; with it.

    A curve is (name, coverage [t], outlier share [t], the point that the mean confidence is on).
    """
    axes = style.new_axes(6.5, 4)
    drawn = [(curve, color, 1.4, "-") for curve, color in zip(decays, CURVES, strict=False)]
    drawn += [(without, INK, 1.6, (0, (3, 2))), (with_gate, INK, 2.6, "-")]
    lines = []
    for (_, coverage, share, point), color, width, dashes in drawn:
        lines += axes.plot(coverage, share, color=color, linewidth=width, linestyle=dashes)
        axes.plot(*point, "o", color=color, markersize=6, clip_on=False)
    style.legend(axes, lines, [style.short_name(curve[0]) for curve, *_ in drawn], "dot: mean confidence")
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="coverage: share of images that are given a label")
    axes.set_ylabel("share of those that are outliers")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    style.style_axes(axes, "Products of other types among those given a label")
    style.save(axes.figure, path)
