"""Near-duplicate images: detected by thumbnails compared pixel by pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec

# Only images whose embeddings have at least this cosine are compared by thumbnail.
NEAR_DUPLICATE_COSINE = 0.99
# Largest difference of near-duplicates, in proportion to their ink. On the real images that detects images saved again
# and hardly two of different products.
THUMBNAIL, _MAX_DIFFERENCE = ImageSpec(20, 15), 0.05

# Near-duplicates by `is_near_duplicate` are nearly parallel in ink; only such pairs are compared pixel by pixel.
_MIN_COSINE, _BLOCK = 0.98, 1024


def thumbnail_signature(image: Any) -> NDArray[np.float32]:  # noqa: ANN401 - any form of one image
    """Return the thumbnail of an image, [20, 15, 3] float32 in 0..255; ImageError as `decode`."""
    return decode(image, THUMBNAIL).astype(np.float32)


def is_near_duplicate(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Return whether two thumbnails [20, 15, 3] differ by at most 5 % of their ink, the mean distance from white."""
    ink = 255 - np.mean([first, second])
    return bool(np.abs(first - second).mean() <= _MAX_DIFFERENCE * max(ink, 1.0))


def near_duplicate_pairs(
    signatures: NDArray[np.float32], others: NDArray[np.float32] | None = None
) -> NDArray[np.int64]:
    """Return the pairs [m, 2] of near-duplicates among thumbnails [n, 20, 15, 3], or between them and `others`."""
    rows, columns = _ink_directions(signatures), _ink_directions(signatures if others is None else others)
    pairs = []
    for start in range(0, len(rows), _BLOCK):
        near = np.argwhere(rows[start : start + _BLOCK] @ columns.T >= _MIN_COSINE) + (start, 0)
        pairs += [(a, b) for a, b in near.tolist() if others is not None or a < b]
    second = signatures if others is None else others
    pairs = [(a, b) for a, b in pairs if is_near_duplicate(signatures[a], second[b])]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _ink_directions(signatures: NDArray[np.float32]) -> NDArray[np.float32]:
    ink = 255 - signatures.reshape(len(signatures), -1)
    return ink / np.maximum(np.linalg.norm(ink, axis=1, keepdims=True), 1)
