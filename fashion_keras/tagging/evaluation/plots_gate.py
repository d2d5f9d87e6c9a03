"""Figure of the product-type gate: outliers among the labeled images, against coverage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import INK

Curve = tuple[str, np.ndarray, np.ndarray, tuple[float, float]]


def plot_gate(
    path: Path,
    decays: Sequence[Curve],
    without: Curve,
    with_gate: Curve,
    run: str = "",
    images: int | None = None,
) -> None:
    """Share of outliers among the labeled images, against coverage: with the gate, without it, by weight decay.

    Args:
        path: PNG file to write.
        decays: curves of other weight decays, without a gate: (name, coverage [t], outlier share [t], the point of the
            mean confidence).
        without: the tagger's curve without its gate.
        with_gate: the tagger's curve with it.
        run, images: for the title.
    """
    axes = style.new_axes(6.5, 4)
    styles = style.curve_styles(len(decays))
    drawn = [(curve, line | {"linewidth": 1.3}) for curve, line in zip(decays, styles, strict=True)]
    drawn.append((without, {"color": INK, "linewidth": 1.8, "linestyle": (0, (3, 2))}))
    drawn.append((with_gate, {"color": INK, "linewidth": 2.8, "linestyle": "-"}))
    lines = []
    for (_, coverage, share, point), line in drawn:
        lines += axes.plot(coverage, share, **line)
        axes.plot(*point, "o", color=line["color"], markersize=6, clip_on=False)
    style.legend(
        axes, lines, [style.short_name(curve[0]) for curve, _ in drawn], "dot: threshold at\nthe mean confidence"
    )
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="coverage: share of images that are given a label")
    axes.set_ylabel("outliers among them")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    caption = "outliers are products of other types; lower is better at equal coverage"
    style.style_axes(axes, "Outliers among the images given a label", style.context("", run, images), caption)
    style.save(axes.figure, path)
