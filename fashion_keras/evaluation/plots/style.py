"""What all figures share: colours, axes, a heat map, a legend, and how a figure is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.container import Container
from matplotlib.figure import Figure

from fashion_keras.support.atomic_files import atomic_write
from fashion_keras.support.errors import InputError

INK, MUTED, FAINT, GRID, ACCENT = "#1f2933", "#7b8794", "#ccd2d9", "#eceff2", "#0b7285"
# Paul Tol's "muted" colours, which the colour-blind can tell apart: one for each curve that is named.
CURVES = ["#cc6677", "#332288", "#ddaa33", "#117733", "#88ccee", "#882255",
          "#44aa99", "#999933", "#aa4499", "#661100", "#6699cc", "#888888"]  # fmt: skip
HEAT = LinearSegmentedColormap.from_list("heat", ["#ffffff", "#9ad4dd", ACCENT, "#052f38"]).with_extremes(bad=GRID)
OVERLAY = colormaps["YlOrRd"]


def new_axes(width: float, height: float) -> Axes:
    """Return axes of that size in inches; what is written around them makes the picture larger, see save."""
    return Figure(figsize=(width, height)).add_axes((0, 0, 1, 1))


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG in one piece."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, facecolor="white", bbox_inches="tight", pad_inches=0.15)


def style_axes(axes: Axes, title: str) -> None:
    """Give axes their title and the looks of this package."""
    axes.set_title(title, loc="left", fontsize=11, color=INK, pad=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set(color=MUTED, linewidth=0.6)
    axes.tick_params(which="both", labelsize=8.5, labelcolor=INK, color=MUTED, length=2, width=0.6)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=9, color=MUTED)


def short_name(name: str, most: int = 30) -> str:
    """Return a name that fits beside an axis, its dollars escaped: matplotlib reads a pair of them as mathematics."""
    return (name if len(name) <= most else f"{name[: most - 1]}…").replace("$", r"\$")


def legend(axes: Axes, handles: Sequence[Artist | Container], labels: Sequence[str], heading: str | None) -> None:
    """Write what the handles are to the right of the axes."""
    box = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "frameon": False, "fontsize": 8.5, "labelcolor": INK}
    axes.legend(handles, labels, title=heading, title_fontsize=8.5, alignment="left", **box)


def overlay_heatmap(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return `pixels` [h, w, 3] uint8 in pale grey, and `heat` [h, w] in 0..1 over them from clear to dark red."""
    grey = 51 + 0.8 * pixels.mean(axis=2, keepdims=True)
    share = 0.6 * heat[:, :, None]
    return ((1 - share) * grey + share * 255 * OVERLAY(heat)[:, :, :3]).astype(np.uint8)


def heat_map(share: np.ndarray, names: Sequence[str], sizes: np.ndarray) -> Axes:
    """Return axes with `share` [k, k] in 0..1 as coloured cells, k names on both sides, `sizes` [k] int on the left.

    Cells from 1 % on are labelled; NaN is grey.
    """
    side = max(0.34 * len(names), 3.6)
    axes = new_axes(side, side)
    axes.pcolormesh(share, cmap=HEAT, vmin=0, vmax=1, edgecolors=GRID, linewidth=0.6)
    _print_shares(axes, share, size=7.5 if len(names) > 12 else 10)
    shown = [short_name(name) for name in names]
    middles = np.arange(len(shown)) + 0.5
    axes.set_xticks(middles, shown, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(middles, [f"{name}  {n:,}" for name, n in zip(shown, sizes, strict=True)])
    axes.set_ylim(len(shown), 0)
    axes.spines[:].set_visible(False)
    return axes


def _print_shares(axes: Axes, share: np.ndarray, size: float) -> None:
    for row, column in zip(*np.nonzero(share >= 0.01), strict=True):
        luminance = np.dot(HEAT(share[row, column])[:3], (0.2126, 0.7152, 0.0722))
        style = {"color": "white" if luminance < 0.5 else "black", "fontsize": size, "ha": "center", "va": "center"}
        axes.text(column + 0.5, row + 0.5, f"{100 * share[row, column]:.0f}", **style)


def require_nonempty(values: Sequence | Mapping, what: str) -> None:
    """Raise InputError when there are no values to draw."""
    if len(values) == 0:
        raise InputError(f"no {what} to draw")
