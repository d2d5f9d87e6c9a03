"""The figure of a map of vectors (gutierrez2019, fig. 3)."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from fashion_keras.evaluation import figures
from fashion_keras.evaluation.figures import CURVES, FAINT
from fashion_keras.evaluation.maps import spread

WIDTH, LOWEST, TALLEST = 10, 5, 12  # inches of the axes
THUMBNAIL = np.array([0.27, 0.36])  # inches across and up
AIR = 1.35  # from one thumbnail to the next, in thumbnails: the points between them stay in sight


def vector_map(
    path: Path,
    places: np.ndarray,
    labels: Sequence[str],
    picture: Callable[[int], np.ndarray],
    thumbnails: int,
    title: str,
) -> None:
    """Draw `places` [n, 2] as points coloured by n labels, and up to so many thumbnails at places of their own.

    The 12 most frequent labels have a colour and the others, "" among them, are grey. `picture` gives the pixels
    [80, 60, 3] uint8 of a row.
    """
    low, span = places.min(axis=0), np.maximum(np.ptp(places, axis=0), 1e-9)
    size = np.array([WIDTH, np.clip(WIDTH * span[1] / span[0], LOWEST, TALLEST)])
    inches = (places - low) / span * size
    axes = figures.canvas(*(size + THUMBNAIL))
    left, bottom = -THUMBNAIL / 2  # half a thumbnail is on each side
    axes.set(xticks=[], yticks=[], xlim=(left, size[0] - left), ylim=(bottom, size[1] - bottom))
    colors = _scatter(axes, inches, labels)
    for row in spread(inches, *(AIR * THUMBNAIL), thumbnails):
        # A picture of 60 pixels takes so many points, 72 to an inch.
        image = OffsetImage(picture(row), zoom=72 * THUMBNAIL[0] / 60)
        frame = {"edgecolor": colors[row], "linewidth": 1.4}
        axes.add_artist(AnnotationBbox(image, inches[row], pad=0, bboxprops=frame))
    figures.dress(axes, title)
    axes.spines[:].set_visible(False)
    figures.save(axes.figure, path)


def _scatter(axes: Axes, inches: np.ndarray, labels: Sequence[str]) -> list[str]:
    """Draw the points, a legend beside them, and return the colour of each."""
    counts = Counter(label for label in labels if label)
    named = dict(zip([label for label, _ in counts.most_common(len(CURVES))], CURVES, strict=False))
    colors = [named.get(label, FAINT) for label in labels]
    rows = [[row for row, label in enumerate(labels) if label == name] for name in named]
    parts = [*zip(named, CURVES, rows, strict=False)]
    if rest := [row for row, label in enumerate(labels) if label not in named]:
        parts.append(("other", FAINT, rest))
    handles = [
        axes.scatter(*inches[rows].T, s=13, color=color, linewidths=0, clip_on=False, zorder=2 - (color == FAINT))
        for _, color, rows in parts
    ]
    figures.legend(axes, handles, [f"{figures.short_name(name)}  {len(rows):,}" for name, _, rows in parts], None)
    return colors
