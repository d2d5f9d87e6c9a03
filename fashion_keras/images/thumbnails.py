"""Thumbnails of images as data URLs, for pages and notebooks."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashion_keras.images.decode import decode
from fashion_keras.images.raster import ImageError
from fashion_keras.images.spec import ImageSpec

_SIZE = ImageSpec(160, 120)
_QUALITY = 80


def thumbnail_url(image: Any, spec: ImageSpec = _SIZE) -> str:  # noqa: ANN401 - see `decode`
    """Return an image at 160x120 pixels as the data URL of a JPEG; "" where it cannot be read (any more)."""
    try:
        return pixels_url(decode(image, spec))
    except ImageError:
        return ""


def pixels_url(pixels: NDArray[np.uint8]) -> str:
    """Return pixels [h, w, 3] uint8 as the data URL of a JPEG."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
