"""Whether two files show the same picture: by tiny copies of them, compared pixel by pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import ImageSpec, decode

# Only pictures whose vectors have this cosine at least are compared themselves.
NEAR_DUPLICATE_COSINE = 0.99
# So small; and the same if they differ by at most this share of what is on them. On the real images that finds
# pictures saved again and hardly two of different products.
_SKETCH, _SAME = ImageSpec(20, 15), 0.05


def thumbnail_signature(image: Any) -> NDArray[np.float32]:  # noqa: ANN401 - whatever is a picture
    """Return a picture as [20, 15, 3] float32 in 0..255; ImageError as `decode`."""
    return decode(image, _SKETCH).astype(np.float32)


def is_near_duplicate(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two sketches differ by at most 5 % of their ink, which is what is not white."""
    ink = 255 - np.mean([one, other])
    return bool(np.abs(one - other).mean() <= _SAME * max(ink, 1.0))
