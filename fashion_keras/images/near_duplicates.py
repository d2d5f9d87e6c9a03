"""Near-duplicate images: detected by thumbnails compared pixel by pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import ImageSpec, decode

# Only images whose embeddings have at least this cosine are compared by thumbnail.
NEAR_DUPLICATE_COSINE = 0.99
# Largest difference of near-duplicates, in proportion to their ink. On the real images that detects images saved again
# and hardly two of different products.
_THUMBNAIL, _MAX_DIFFERENCE = ImageSpec(20, 15), 0.05


def thumbnail_signature(image: Any) -> NDArray[np.float32]:  # noqa: ANN401 - any form of one image
    """Return the thumbnail of an image, [20, 15, 3] float32 in 0..255; ImageError as `decode`."""
    return decode(image, _THUMBNAIL).astype(np.float32)


def is_near_duplicate(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Return whether two thumbnails [20, 15, 3] differ by at most 5 % of their ink, the mean distance from white."""
    ink = 255 - np.mean([first, second])
    return bool(np.abs(first - second).mean() <= _MAX_DIFFERENCE * max(ink, 1.0))
