"""Figures of a run, each written to a PNG in one piece. They draw the values they are given and compute no scores.

`Figure` objects are used directly, never pyplot: there is no global state, no window system, and any thread may draw.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import ACCENT, CURVES, FAINT, INK, MUTED
from fashion_keras.support.atomic_files import atomic_write
from fashion_keras.support.errors import InputError

BAR = 0.2  # inches from one bar of class_counts to the next
LARGEST = 40  # bars in one panel of class_counts
CELL, MARGIN, LINE = 160, 12, 15  # pixels of a contact sheet: least cell width, space around a cell, height of a line

Curve = tuple[str, np.ndarray, np.ndarray, float]


def confusion(path: Path, counts: np.ndarray, classes: Sequence[str]) -> None:
    """Draw `counts` [k, k] int (rows are the truth) as a heat map of each row's shares; cells from 1 % on are labelled.

    A class without rows is a grey band.
    """
    support = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, support, out=np.full(counts.shape, np.nan), where=support > 0)
    axes = style.heat_map(share, classes, support[:, 0])
    axes.set(xlabel="predicted class", ylabel="true class and its rows")
    style.style_axes(axes, f"Confusion, % of each row; n = {counts.sum():,}")
    style.save(axes.figure, path)


def precision_recall(path: Path, curves: Sequence[Curve], micro: tuple[np.ndarray, np.ndarray, float]) -> None:
    """Draw one curve per class, (name, precision [t+1], recall [t+1], AP), and the micro average in bold.

    A class whose AP is NaN or None is left out. Of more than 12 classes, the 10 with the lowest AP are named and
    coloured, the others grey.
    """
    areas = np.array([curve[3] for curve in curves], dtype=np.float64)
    ranked = [curves[i] for i in np.argsort(areas, kind="stable") if not np.isnan(areas[i])]
    named = ranked if len(ranked) <= len(CURVES) else ranked[:10]
    axes = style.new_axes(7, 5)
    for _, precision, recall, _ in ranked[len(named) :]:
        _step(axes, precision, recall, FAINT, 0.7)
    bold = _step(axes, micro[0], micro[1], INK, 2.6)
    lines = [_step(axes, curve[1], curve[2], color, 1.1) for curve, color in zip(named, CURVES, strict=False)]
    texts = [
        f"{micro[2]:.3f}  micro average",
        *(f"{area:.3f}  {style.short_name(name)}" for name, _, _, area in named),
    ]
    heading = "average precision" + (f",\nlowest 10 of {len(ranked)} classes" if len(named) < len(ranked) else "")
    style.legend(axes, [bold, *lines], texts, heading)
    axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    style.style_axes(axes, "Precision and recall")
    style.save(axes.figure, path)


def class_accuracy(
    path: Path, classes: Sequence[str], recall: np.ndarray, support: np.ndarray, interval: np.ndarray
) -> None:
    """Draw `recall` [k] in 0..1 as one bar per class, best on top, with `support` [k] int (schindler2018, fig. 3).

    A whisker spans its 95 % `interval` [2, k]. A class whose recall is NaN or None has no bar and stands last.
    """
    recall = np.asarray(recall, dtype=np.float64)
    order = np.argsort(-recall, kind="stable")  # NaN sorts last
    axes = style.new_axes(5, 0.24 * len(classes))
    texts = ["no rows" if np.isnan(recall[i]) else f"{recall[i]:.1%}   n = {support[i]:,}" for i in order]
    whiskers = np.nan_to_num(np.abs(interval - recall)[:, order])
    _bars(axes, [classes[i] for i in order], np.nan_to_num(recall[order]), texts, whiskers)
    axes.set_xlim(0, 1)
    style.style_axes(axes, f"Accuracy within each class and its 95 % interval; n = {np.sum(support):,}")
    style.save(axes.figure, path)


def history(path: Path, rows: Sequence[Mapping[str, float | str | None]]) -> None:
    """Draw loss, accuracy and learning rate against epoch; a vertical line marks where the phase changes.

    Each row has epoch (counted through all phases), phase, loss, accuracy, val_loss, val_accuracy, learning_rate; a
    None is a gap in its line.
    """
    style.require_nonempty(rows, "epochs")
    figure = Figure(figsize=(8, 8))
    panels = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1.1])
    epochs = _column(rows, "epoch")
    for axes, name in zip(panels[:2], ("loss", "accuracy"), strict=True):
        train = axes.plot(epochs, _column(rows, name), ".-", color=MUTED, linewidth=1.2)
        validation = axes.plot(epochs, _column(rows, f"val_{name}"), ".-", color=ACCENT, linewidth=1.8)
        axes.set_ylabel(name)
    style.legend(panels[0], validation + train, ["validation", "train"], None)
    panels[2].plot(epochs, _column(rows, "learning_rate"), ".-", color=INK, linewidth=1.2, drawstyle="steps-mid")
    panels[2].set(yscale="log", ylabel="learning rate", xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    panels[2].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in panels:
        style.style_axes(axes, "")
    _mark_phases(panels, epochs, [row["phase"] for row in rows])
    style.save(figure, path)


def class_counts(path: Path, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Draw one panel per task, images per class, largest first; classes after the 40th are summed as "N more"."""
    style.require_nonempty(counts, "tasks")
    filled = [0.0] * min(3, len(counts))  # inches of each column of panels
    panels = []
    for task, sizes in counts.items():
        column = int(np.argmin(filled))
        bars = _largest(sizes)
        panels.append((task, bars, column, filled[column] + 0.55))
        filled[column] += BAR * len(bars) + 0.75
    width, height = 4.8 * len(filled), max(filled)
    figure = Figure(figsize=(width, height))
    for task, bars, column, top in panels:
        tall = BAR * len(bars)
        axes = figure.add_axes(((4.8 * column + 2) / width, 1 - (top + tall) / height, 2.1 / width, tall / height))
        _bars(axes, list(bars), list(bars.values()), [f"{count:,}" for count in bars.values()])
        for bar in axes.patches[LARGEST:]:
            bar.set_color(FAINT)  # not a class, but the sum of many
        style.style_axes(axes, f"{style.short_name(task)}: {len(counts[task])} classes")
    style.save(figure, path)


def contact_sheet(
    path: Path, images: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8, title: str = ""
) -> None:
    """Draw `images`, each uint8 [h, w, 3], row by row with a caption of up to 3 lines below each.

    Small pictures are enlarged by a whole number without smoothing (60x80 by 2), so that their pixels stay visible.
    """
    style.require_nonempty(images, "images")
    if len(images) != len(captions):
        raise InputError(f"{len(images)} images, but {len(captions)} captions: give one for each")
    pictures = _enlarged(images)
    wide = max(CELL, *(picture.width for picture in pictures)) + MARGIN
    tall = max(picture.height for picture in pictures) + 3 * LINE + 2 * MARGIN
    columns, top = min(columns, len(images)), MARGIN + (2 * LINE if title else 0)
    width = max(columns * wide, CELL * 2 if title else 0) + MARGIN
    sheet = Image.new("RGB", (width, -(-len(images) // columns) * tall + top), "white")
    draw = ImageDraw.Draw(sheet)
    _write(draw, (MARGIN, MARGIN), title, 16, width - 2 * MARGIN)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = MARGIN + place % columns * wide, top + place // columns * tall
        sheet.paste(picture, (x, y))
        for line, text in enumerate(caption.splitlines()[:3]):
            _write(draw, (x, y + picture.height + 4 + line * LINE), text, 11, wide - MARGIN)
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG")


def _step(axes: Axes, precision: np.ndarray, recall: np.ndarray, color: str, width: float) -> Line2D:
    """Draw a curve as steps, less the points that fall on the pixel of the one before: there may be millions."""
    pixels = np.round(np.stack([precision, recall]) * 1000)
    moved = np.any(np.diff(pixels, axis=1, prepend=-1) != 0, axis=0)
    line = {"drawstyle": "steps-post", "color": color, "linewidth": width}
    return axes.plot(np.asarray(recall)[moved], np.asarray(precision)[moved], **line)[0]


def _bars(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    whiskers: np.ndarray | None = None,
) -> None:
    """Draw horizontal bars from the top down, each with its text at the end instead of an axis.

    `whiskers` [2, n] reach so far below and above the values.
    """
    bar_style = {"ecolor": INK, "error_kw": {"elinewidth": 1, "capsize": 2, "clip_on": False}}
    bars = axes.barh(range(len(names)), values, height=0.72, color=ACCENT, xerr=whiskers, **bar_style)
    axes.bar_label(bars, texts, padding=4, fontsize=8, color=MUTED)
    axes.set_yticks(range(len(names)), [style.short_name(name) for name in names])
    axes.set(xlim=(0, None), ylim=(len(names) - 0.4, -0.6))
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _largest(sizes: Mapping[str, int]) -> dict[str, int]:
    ranked = sorted(sizes.items(), key=lambda item: -item[1])
    rest = sum(count for _, count in ranked[LARGEST:])
    return dict(ranked[:LARGEST]) | ({f"{len(ranked) - LARGEST} more": rest} if len(ranked) > LARGEST else {})


def _column(rows: Sequence[Mapping[str, float | str | None]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _mark_phases(panels: Sequence[Axes], epochs: np.ndarray, phases: Sequence[str]) -> None:
    """Write each phase above its first epoch, each a line higher, and draw a vertical line where it changes."""
    starts = [i for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    for turn, i in enumerate(starts):
        place = epochs[i] if i == 0 else (epochs[i - 1] + epochs[i]) / 2
        for axes in panels if i else ():
            axes.axvline(place, color=MUTED, linewidth=0.7, linestyle=(0, (4, 3)))
        spot = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3 + turn * 11), "textcoords": "offset points"}
        panels[0].annotate(style.short_name(phases[i]), (place, 1), fontsize=8.5, color=MUTED, **spot)


def _enlarged(images: Sequence[np.ndarray]) -> list[Image.Image]:
    for number, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"image {number} must be uint8 [h, w, 3], got {image.dtype} {list(image.shape)}")
    zoom = max(1, 160 // max(image.shape[0] for image in images))
    return [Image.fromarray(image.repeat(zoom, axis=0).repeat(zoom, axis=1)) for image in images]


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, width: int) -> None:
    """Write one line, shortened to `width` pixels; the font is the one of the other figures."""
    font = ImageFont.truetype(Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
    shown = text
    while font.getlength(shown) > width:
        text = text[:-1]
        shown = f"{text}…"
    draw.text(place, shown, fill=INK, font=font)
