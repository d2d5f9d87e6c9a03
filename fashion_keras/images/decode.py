"""Image decoding: a file, bytes, PIL image or array to pixels; training, serving, search and tagging all use it."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashion_keras.images.formats import from_bytes, from_pil, read_file
from fashion_keras.images.inputs import as_image
from fashion_keras.images.raster import ImageError, Raster, from_array
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.errors import InputError

Item, Result = TypeVar("Item"), TypeVar("Result")

# Part of every cache key; raise it when the same file becomes other pixels.
DECODING_VERSION = 3

_LONGEST_PATH = 400  # characters that an error repeats

_WORKERS = min(os.cpu_count() or 1, 8)
_FEW = 8  # images that are sooner decoded than handed to threads
# Keyed by the process: a fork inherits the pool but not its threads, and would wait for them for ever.
_threads = cache(lambda process: ThreadPoolExecutor(_WORKERS))


def decode(image: Any, spec: ImageSpec | None) -> NDArray[np.uint8]:  # noqa: ANN401 - any form of one image
    """Return pixels [height, width, 3] uint8 in 0..255, RGB, upright, on white, fitted to `spec`; None keeps its size.

    `image` is one image in any form of `as_image`: path, bytes, open file, data URL, PIL image, or an array or tensor
    [h, w], [h, w, 1], [h, w, 3] or [h, w, 4] of integers or floats in 0..255, or of floats in 0..1. Files and bytes are
    JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP, recognized by content. An image that already has the target's size
    comes back bit for bit. A JPEG of at least three times the target's size is decoded at 1/2, 1/4 or 1/8 of its own: a
    photo's pixels differ from those of full decoding by 0.6 of 255 in the mean and 10 at most, those of small text by 6
    and 32.

    Raises ImageError with its reason, after the path when there is one: missing, a directory, empty, of another type,
    broken, truncated, larger than MAX_BYTES or MAX_PIXELS, or an array whose values are not pixels.
    """
    try:
        raster = _open(image, spec)
        return _fit(raster, spec) if spec else raster.pixels
    except ImageError as error:
        raise ImageError(f"{_where(image)}{error}") from error


def decode_batch(images: Sequence[Any], spec: ImageSpec) -> NDArray[np.uint8]:
    """Return pixels [n, height, width, 3] uint8 in 0..255 of `images`, in order, each as `decode` gives it.

    Many images are decoded on several threads. Raises ImageError for the first image that `decode` refuses.
    """
    pixels = np.empty((len(images), spec.height, spec.width, 3), np.uint8)

    def fill(row: int) -> None:
        pixels[row] = decode(images[row], spec)

    parallel_map(fill, range(len(images)))
    return pixels


def decode_views(data: bytes, specs: Sequence[ImageSpec]) -> list[NDArray[np.uint8]]:
    """Return the pixels [height, width, 3] uint8 of an encoded image for each of `specs`, decoded once for the first.

    The others are made of the same raster, so they should be smaller. ImageError as `decode`.
    """
    raster = from_bytes(data, specs[0])
    return [_fit(raster, spec) for spec in specs]


def thumbnail(image: Any, side: int) -> NDArray[np.uint8]:  # noqa: ANN401 - any form of one image
    """Return pixels [height, width, 3] uint8 in their own proportions, the longer side `side` pixels or fewer.

    An image is never enlarged. ImageError as `decode`.
    """
    try:
        raster = _open(image, ImageSpec(side, side))
    except ImageError as error:
        raise ImageError(f"{_where(image)}{error}") from error
    scale = min(1.0, side / max(raster.height, raster.width))
    height, width = (max(1, round(length * scale)) for length in (raster.height, raster.width))
    return _fit(raster, ImageSpec(height, width, "stretch"))


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return `function` of each item, in order; the threads share many items in a few long parts."""
    if len(items) < _FEW:
        return [function(item) for item in items]
    size = -(-len(items) // (4 * _WORKERS))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    results = _threads(os.getpid()).map(lambda part: [function(item) for item in part], parts)
    return [result for part in results for result in part]


def _open(image: Any, spec: ImageSpec | None) -> Raster:  # noqa: ANN401 - any form of one image
    try:
        image = as_image(image)
    except InputError as error:
        raise ImageError(str(error)) from None
    if isinstance(image, str | Path):
        return from_bytes(read_file(image), spec)
    if isinstance(image, bytes):
        return from_bytes(image, spec)
    return from_array(image) if isinstance(image, np.ndarray) else from_pil(image)


def _where(image: Any) -> str:  # noqa: ANN401 - any form of one image
    if not isinstance(image, str | Path):
        return ""
    return f"{image}: " if len(str(image)) <= _LONGEST_PATH else f"{str(image)[:40]}...: "


def _fit(raster: Raster, spec: ImageSpec) -> NDArray[np.uint8]:
    height, width = raster.height, raster.width
    if (height, width) == (spec.height, spec.width):
        return raster.pixels
    scale, rows, columns, inner = spec.scale(height, width), height, width, (spec.height, spec.width)
    if spec.fit == "pad":
        inner = max(1, round(height * scale)), max(1, round(width * scale))
    elif spec.fit == "crop":
        rows, columns = min(height, spec.height / scale), min(width, spec.width / scale)
    top, left = (height - rows) / 2, (width - columns) / 2
    box = [side / raster.reduction for side in (left, top, left + columns, top + rows)]
    resample = Image.Resampling[spec.interpolation.upper()]
    pixels = np.array(Image.fromarray(raster.pixels).resize(inner[::-1], resample, box))
    return pixels if inner == (spec.height, spec.width) else _pad(pixels, spec)


def _pad(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """Return pixels centered on white."""
    height, width = pixels.shape[:2]
    top, left = (spec.height - height) // 2, (spec.width - width) // 2
    canvas = np.full((spec.height, spec.width, 3), 255, np.uint8)
    canvas[top : top + height, left : left + width] = pixels
    return canvas
