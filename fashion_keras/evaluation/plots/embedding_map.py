"""Map of embeddings in two dimensions (gutierrez2019, fig. 3)."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import CURVES, FAINT, MUTED

WIDTH, LOWEST, TALLEST = 10, 5, 12  # inches of the axes
MARKERS = "os^D"  # neighbors in the palette differ in shape, too
THUMBNAIL = np.array([0.27, 0.36])  # inches across and up
SPACING = 1.35  # from one thumbnail to the next, in thumbnails: the points between them stay visible

# Colors of the Kaggle set's color names. Multi is none: it gets a color that no other has.
LABEL_COLORS = {
    "Beige": "#e3d3b0", "Black": "#000000", "Blue": "#2f6fd6", "Bronze": "#a9712b", "Brown": "#7a4a24",
    "Burgundy": "#6b0f26", "Charcoal": "#3c4349", "Coffee Brown": "#4b3120", "Copper": "#b8693d", "Cream": "#fff3c9",
    "Fluorescent Green": "#39ff14", "Gold": "#d9a917", "Green": "#2e9e3f", "Grey": "#8c8c8c", "Grey Melange": "#b4b4b8",
    "Khaki": "#b3a369", "Lavender": "#b9a7e0", "Lime Green": "#a4d81e", "Magenta": "#d4149b", "Maroon": "#800000",
    "Mauve": "#c08fb8", "Metallic": "#9fa8b3", "Multi": "#00e5ff", "Mushroom Brown": "#a08f7d", "Mustard": "#c99a06",
    "Navy Blue": "#10205c", "Nude": "#e8c3a8", "Off White": "#f7f3e6", "Olive": "#6f7526", "Orange": "#f58220",
    "Peach": "#ffb899", "Pink": "#f58cb6", "Purple": "#7b2fa3", "Red": "#e02020", "Rose": "#e0527d", "Rust": "#a8401a",
    "Sea Green": "#2e8b70", "Silver": "#c3c7cb", "Skin": "#f0c8a0", "Steel": "#71797e", "Tan": "#c79b6b",
    "Taupe": "#7d6e63", "Teal": "#0e7c7b", "Turquoise Blue": "#25c5c9", "White": "#ffffff", "Yellow": "#f7dc1b",
}  # fmt: skip


def plot_embedding_map(
    path: Path,
    places: np.ndarray,
    labels: Sequence[str],
    thumbnail: Callable[[int], np.ndarray],
    thumbnails: int,
    title: str,
    note: str = "",
    label_colors: bool = False,
) -> None:
    """Scatter plot of n embeddings at `places` [n, 2], colored by label, with thumbnails that do not overlap.

    The 12 most frequent labels have a color and a shape, with `label_colors` the color that they name; all others, ""
    among them, are gray. `thumbnail` returns the pixels [80, 60, 3] uint8 of a row; at most `thumbnails` are shown.
    """
    low, span = places.min(axis=0), np.maximum(np.ptp(places, axis=0), 1e-9)
    size = np.array([WIDTH, np.clip(WIDTH * span[1] / span[0], LOWEST, TALLEST)])
    inches = (places - low) / span * size
    axes = style.new_axes(*(size + THUMBNAIL))
    left, bottom = -THUMBNAIL / 2  # half a thumbnail is on each side
    axes.set(xticks=[], yticks=[], xlim=(left, size[0] - left), ylim=(bottom, size[1] - bottom))
    colors = _scatter(axes, inches, labels, label_colors)
    for row in non_overlapping(inches, *(SPACING * THUMBNAIL), thumbnails):
        # An image of 60 pixels takes so many points, 72 to an inch.
        image = OffsetImage(thumbnail(row), zoom=72 * THUMBNAIL[0] / 60)
        frame = {"edgecolor": colors[row], "linewidth": 1.6}
        axes.add_artist(AnnotationBbox(image, inches[row], pad=0, bboxprops=frame))
    caption = "near to each other: similar by their embeddings; frames have the label's color"
    style.style_axes(axes, title, note, caption)
    axes.spines[:].set_visible(False)
    style.save(axes.figure, path)


def non_overlapping(places: np.ndarray, width: float, height: float, count: int, seed: int = 0) -> list[int]:
    """Return up to `count` rows of `places` [n, 2], in random order, on which boxes of that size do not overlap."""
    chosen: list[int] = []
    for row in np.random.default_rng(seed).permutation(len(places)).tolist():
        if len(chosen) == count:
            break
        if not (np.abs(places[chosen] - places[row]) < (width, height)).all(axis=1).any():
            chosen.append(row)
    return chosen


def _scatter(axes: Axes, inches: np.ndarray, labels: Sequence[str], label_colors: bool) -> list[str]:
    """Draw the points and a legend beside them, the most frequent label first, and return the color of each."""
    ranked = [label for label, _ in Counter(label for label in labels if label).most_common()]
    own = {label: LABEL_COLORS[label] for label in ranked if label_colors and label in LABEL_COLORS}
    palette = own or dict(zip(ranked, CURVES, strict=False))
    rows = {name: [row for row, label in enumerate(labels) if label == name] for name in palette}
    parts = [*zip(palette, palette.values(), rows.values(), cycle(MARKERS), strict=False)]
    if rest := [row for row, label in enumerate(labels) if label not in palette]:
        parts.append(("other", FAINT, rest, "o"))
    # The edge keeps white points visible.
    marker = {"s": 15, "edgecolors": MUTED, "linewidths": 0.3, "clip_on": False}
    handles = [
        axes.scatter(*inches[own].T, facecolors=color, marker=shape, zorder=2 - (color == FAINT), **marker)
        for _, color, own, shape in parts
    ]
    texts = [f"{style.short_name(name)}  {len(own):,}" for name, _, own, _ in parts]
    style.legend(axes, handles, texts, "label, images")
    return [palette.get(label, FAINT) for label in labels]
