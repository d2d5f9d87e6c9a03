"""Contact sheets: many images in one, each with its caption."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.style import INK, MUTED
from fashion_keras.support.atomic_files import atomic_write
from fashion_keras.support.errors import InputError

CELL, MARGIN, LINE = 200, 12, 17  # pixels: least width of a cell, space around it, height of a caption's line
LINES = 3  # of a caption
SHOWN = 160  # pixels: smaller images are enlarged to at most this height


def contact_sheet(
    path: Path, images: Sequence[np.ndarray], captions: Sequence[str], columns: int = 6, title: str = "", note: str = ""
) -> None:
    """Write `images`, uint8 [h, w, 3] each, row by row, each with its caption of up to 3 lines below it.

    Small images are enlarged by a whole number without smoothing (60x80 by 2), so that their pixels stay visible.
    Lines that are too long end in an ellipsis. Title and note stand above all.
    """
    style.require_nonempty(images, "images")
    if len(images) != len(captions):
        raise InputError(f"{len(images)} images, but {len(captions)} captions: give one for each")
    tiles = _enlarge(images)
    wide = max(CELL, *(tile.width for tile in tiles)) + MARGIN
    tall = max(tile.height for tile in tiles) + 2 * MARGIN + (LINES * LINE if any(captions) else 0)
    columns = min(columns, len(images))
    width = max(columns * wide, 3 * CELL if title or note else 0) + MARGIN
    heads = [head for head in ((title, 17, INK), (note, 13, MUTED)) if head[0]]
    top = MARGIN + 2 * LINE * bool(title) + int(1.5 * LINE) * bool(note)
    sheet = Image.new("RGB", (width, -(-len(images) // columns) * tall + top), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (text, size, color) in enumerate(heads):
        _write(draw, (MARGIN, MARGIN + number * int(1.6 * LINE)), text, size, width - 2 * MARGIN, color)
    for place, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = MARGIN + place % columns * wide, top + place // columns * tall
        sheet.paste(tile, (x, y))
        for line, text in enumerate(caption.splitlines()[:LINES]):
            below = (x, y + tile.height + 4 + line * LINE)
            _write(draw, below, text, 13, wide - MARGIN, INK if line < LINES - 1 else MUTED)
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG")


def _enlarge(images: Sequence[np.ndarray]) -> list[Image.Image]:
    for number, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"image {number} must be uint8 [h, w, 3], got {image.dtype} {list(image.shape)}")
    zoom = max(1, SHOWN // max(image.shape[0] for image in images))
    return [Image.fromarray(image.repeat(zoom, axis=0).repeat(zoom, axis=1)) for image in images]


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, width: int, color: str) -> None:
    """Write one line, shortened to `width` pixels, in the font of the other figures."""
    font = ImageFont.truetype(Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
    shown = text
    while font.getlength(shown) > width:
        text = text[:-1]
        shown = f"{text}…"
    draw.text(place, shown, fill=color, font=font)
