"""The one door for images that callers pass: one image or many, in whatever form, become a list."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from fashion_keras.support.errors import InputError


def is_single_image(images: Any) -> bool:  # noqa: ANN401 - whatever a caller passes
    """Return whether `images` is one image: a path, bytes, a PIL image or an array [h, w] or [h, w, c]."""
    return isinstance(images, str | Path | bytes | bytearray | memoryview | Image.Image) or getattr(
        images, "ndim", 0
    ) in (2, 3)


def as_image_list(images: Any) -> list[Any]:  # noqa: ANN401 - whatever a caller passes
    """Return one image or many as a list of what `decode` takes; [] for none.

    Raises:
        InputError: for what is neither an image nor a collection of images.
    """
    if is_single_image(images):
        return [images]
    if not isinstance(images, Iterable):
        raise InputError(f"expected an image or a collection of images, not {type(images).__name__}")
    return list(images)
