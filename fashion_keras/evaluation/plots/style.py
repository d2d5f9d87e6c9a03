"""Shared style of all figures. `Figure` objects are used directly, never pyplot: any thread may draw."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure

from fashion_keras.support.atomic_files import atomic_write
from fashion_keras.support.errors import InputError

INK, MUTED, FAINT, GRID, ACCENT = "#1f2933", "#616e7c", "#ccd2d9", "#eceff2", "#0b7285"
# Paul Tol's "muted" palette, which the color-blind can tell apart: one color for each named curve.
CURVES = ["#cc6677", "#332288", "#ddaa33", "#117733", "#88ccee", "#882255",
          "#44aa99", "#999933", "#aa4499", "#661100", "#6699cc", "#888888"]  # fmt: skip
# Neighboring curves differ in dashes, too: they can be told apart in a black and white print.
DASHES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
OVERLAY = colormaps["YlOrRd"]
_LINE_HEIGHT = 13  # points from one line above the axes to the next


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure, `width` x `height` inches."""
    return Figure(figsize=(width, height)).add_axes((0, 0, 1, 1))


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG in one piece, cropped to what is drawn."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, facecolor="white", bbox_inches="tight", pad_inches=0.15)


def context(task: str = "", run: str = "", images: int | None = None, data: str = "") -> str:
    """Second line of a title: run, data, task and number of images, each left out where it is not given."""
    parts = [
        f"run {short_name(Path(run).name, 60)}" if run else "",
        f"data {short_name(Path(data).name, 40)}" if data else "",
        f"task {short_name(task, 40)}" if task else "",
        "" if images is None else f"{images:,} image{'s' if images != 1 else ''}",
    ]
    return "  ·  ".join(part for part in parts if part)


def style_axes(axes: Axes, title: str = "", *lines: str, above: int = 0) -> None:
    """Set the title and the common look of axes.

    `lines` are smaller, below the title: the context, and a caption on what to look for; "" is left out. `above` lines
    are kept free between title and axes.
    """
    lines = tuple(line for line in lines if line)
    axes.set_title(title, loc="left", fontsize=11.5, color=INK, pad=10 + _LINE_HEIGHT * (len(lines) + above))
    for number, line in enumerate(reversed(lines), above):
        offset = {"xytext": (0, 8 + _LINE_HEIGHT * number), "textcoords": "offset points"}
        axes.annotate(line, (0, 1), xycoords="axes fraction", fontsize=9, color=MUTED, **offset)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set(color=MUTED, linewidth=0.6)
    axes.tick_params(which="both", labelsize=9, labelcolor=INK, color=MUTED, length=2, width=0.6)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=9.5, color=MUTED)


def short_name(name: str, most: int = 30) -> str:
    """Name cut to `most` characters, its dollars escaped: matplotlib reads a pair of them as mathematics."""
    return (name if len(name) <= most else f"{name[: most - 1]}…").replace("$", r"\$")


def curve_styles(count: int) -> list[dict[str, object]]:
    """Color and dashes of each of `count` curves, at most 12, as keyword arguments of `Axes.plot`."""
    if count > len(CURVES):
        raise InputError(f"{count} curves, but there are colors for {len(CURVES)}")
    return [{"color": color, "linestyle": dashes} for color, dashes in zip(CURVES[:count], cycle(DASHES), strict=False)]


def legend(axes: Axes, handles: Sequence[Artist | Container], labels: Sequence[str], heading: str | None) -> None:
    """Write the names of the handles to the right of the axes."""
    box = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "frameon": False, "fontsize": 9, "labelcolor": INK}
    axes.legend(handles, labels, title=heading, title_fontsize=9, alignment="left", handlelength=2.6, **box)


def overlay_heatmap(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Image [h, w, 3] uint8: `pixels` in pale gray under `heat` [h, w] in 0..1, from clear to dark red."""
    gray = 51 + 0.8 * pixels.mean(axis=2, keepdims=True)
    share = 0.6 * heat[:, :, None]
    return ((1 - share) * gray + share * 255 * OVERLAY(heat)[:, :, :3]).astype(np.uint8)


def require_nonempty(values: Sequence | Mapping, what: str) -> None:
    """Raise InputError when there are no values to draw."""
    if len(values) == 0:
        raise InputError(f"no {what} to draw")
