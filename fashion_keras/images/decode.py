"""Image decoding: a file, bytes, PIL image or array to pixels; training, serving, search and tagging all use it."""

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fashion_keras.images.formats import ImageError, from_array, from_bytes, from_pil, read_file
from fashion_keras.images.inputs import as_image
from fashion_keras.support.errors import InputError, unknown_name_error

Item, Result = TypeVar("Item"), TypeVar("Result")

FITS = ("pad", "crop", "stretch")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
# Part of every cache key; raise it when the same file becomes other pixels.
DECODING_VERSION = 2

_WORKERS = min(os.cpu_count() or 1, 8)
_FEW = 8  # images that are sooner decoded than handed to threads
# Keyed by the process: a fork inherits the pool but not its threads, and would wait for them for ever.
_threads = cache(lambda process: ThreadPoolExecutor(_WORKERS))


@dataclass(frozen=True)
class ImageSpec:
    """Size that every image is brought to, and how; InputError for a size below 1 and for an unknown name.

    `fit`: "pad" keeps the aspect ratio and centers the image on white (gutierrez2019), "crop" keeps it, fills the
    target and cuts off what sticks out on both sides alike, "stretch" does not keep it.
    `interpolation`: nearest, bilinear, bicubic or lanczos, as Pillow has them: antialiased when they shrink.
    """

    height: int
    width: int
    fit: str = "pad"
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for side in ("height", "width"):
            value = getattr(self, side)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"image {side} must be a positive whole number, not {value!r}")
            object.__setattr__(self, side, int(value))
        for kind, value, known in (("fit", self.fit, FITS), ("interpolation", self.interpolation, INTERPOLATIONS)):
            if value not in known:
                raise unknown_name_error(kind, value, known)


def parse_image_size(size: Any) -> tuple[int, int]:  # noqa: ANN401 - whatever a caller passes
    """Return (height, width) of "80x60", (80, 60), [80, 60], or of the side of a square: 224 or "224".

    >>> parse_image_size("80x60"), parse_image_size(224)
    ((80, 60), (224, 224))

    Raises:
        InputError: for anything else, and for sides below 1.
    """
    if isinstance(size, str):
        match = re.fullmatch(r"([1-9]\d{0,5})(?:x([1-9]\d{0,5}))?", size)
        sides = (int(match[1]), int(match[2] or match[1])) if match else ()
    else:
        sides = (size, size) if isinstance(size, Integral) else tuple(size) if isinstance(size, tuple | list) else ()
    if len(sides) != 2 or any(isinstance(side, bool) or not isinstance(side, Integral) or side < 1 for side in sides):
        raise InputError(f"image size is HEIGHTxWIDTH in pixels, such as 80x60, (80, 60) or 224, not {size!r}")
    return int(sides[0]), int(sides[1])


def decode(image: Any, spec: ImageSpec | None) -> NDArray[np.uint8]:  # noqa: ANN401 - any form of one image
    """Return pixels [height, width, 3] uint8 in 0..255, RGB, upright, on white, fitted to `spec`; None keeps its size.

    `image` is one image in any form of `as_image`: path, bytes, open file, PIL image, or an array or tensor [h, w],
    [h, w, 1], [h, w, 3] or [h, w, 4] of integers or floats in 0..255. Files and bytes are JPEG, PNG or WebP,
    recognized by content. An image that already has the target's size comes back bit for bit.

    Raises ImageError with its reason, after the path when there is one: missing, a directory, empty, of another type,
    broken, truncated, larger than MAX_BYTES or MAX_PIXELS, or an array whose values are not pixels in 0..255.
    """
    try:
        opened = open_image(image)
        return np.array(_fit(opened, spec) if spec else opened)
    except ImageError as error:
        where = f"{image}: " if isinstance(image, str | Path) else ""
        raise ImageError(f"{where}{error}") from error


def decode_batch(images: Sequence[Any], spec: ImageSpec) -> NDArray[np.uint8]:
    """Return pixels [n, height, width, 3] uint8 in 0..255 of `images`, in order, each as `decode` gives it.

    Many images are decoded on several threads. Raises ImageError for the first image that `decode` refuses.
    """
    pixels = np.empty((len(images), spec.height, spec.width, 3), np.uint8)

    def fill(row: int) -> None:
        pixels[row] = decode(images[row], spec)

    parallel_map(fill, range(len(images)))
    return pixels


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return `function` of each item, in order; the threads share many items in a few long parts."""
    if len(items) < _FEW:
        return [function(item) for item in items]
    size = -(-len(items) // (4 * _WORKERS))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    results = _threads(os.getpid()).map(lambda part: [function(item) for item in part], parts)
    return [result for part in results for result in part]


def open_image(image: Any) -> Image.Image:  # noqa: ANN401 - any form of one image
    """Return one image in its own size as upright RGB on white; ImageError, without the path, as `decode`."""
    try:
        image = as_image(image)
    except InputError as error:
        raise ImageError(str(error)) from None
    if isinstance(image, str | Path):
        return from_bytes(read_file(Path(image)))
    if isinstance(image, bytes):
        return from_bytes(image)
    return from_array(image) if isinstance(image, np.ndarray) else from_pil(image)


def _fit(image: Image.Image, spec: ImageSpec) -> Image.Image:
    size, resample = (spec.width, spec.height), Image.Resampling[spec.interpolation.upper()]
    if image.size == size:
        return image
    if spec.fit == "stretch":
        return image.resize(size, resample)
    if spec.fit == "crop":
        return ImageOps.fit(image, size, resample)
    scale = min(spec.width / image.width, spec.height / image.height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("RGB", size, "white")
    canvas.paste(image.resize((width, height), resample), ((spec.width - width) // 2, (spec.height - height) // 2))
    return canvas
