"""Embeddings as whole numbers of 8 bits: a quarter of the memory, and compared several times as fast."""

import numpy as np

# Before NumKong, which usearch loads: loaded the other way round, OpenVINO cannot read a network any more.
import pyarrow as pa  # noqa: F401
from numkong import dots_pack, dots_packed
from numpy.typing import NDArray

# Below this share of rows they are picked out; above it all are compared, which is faster than picking many.
_PICKED_SHARE = 0.25
_BLOCK_ROWS = 65_536


def quantization_scale(sample: NDArray[np.float32]) -> float:
    """Return by what embeddings like `sample` [n, d] are multiplied, so that its largest value becomes 127."""
    return 127 / max(float(np.abs(sample).max()), 1e-6)


def quantize(embeddings: NDArray[np.float32], scale: float) -> NDArray[np.int8]:
    """Return embeddings times `scale` as whole numbers; what is beyond 127 becomes 127."""
    return np.clip(np.rint(embeddings * np.float32(scale)), -127, 127).astype(np.int8)


def nearest_codes(
    codes: NDArray[np.int8], query: NDArray[np.int8], rows: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Return up to `count` of `rows` [m], ascending: those whose codes, of [n, d], have the highest dot products."""
    packed = dots_pack(query[None])
    if len(rows) > _PICKED_SHARE * len(codes):
        scores = np.asarray(dots_packed(codes, packed)).ravel()[rows]
    else:
        starts = range(0, len(rows), _BLOCK_ROWS)
        blocks = (codes[rows[start : start + _BLOCK_ROWS]] for start in starts)
        scores = np.concatenate(
            [np.empty(0, np.int32), *(np.asarray(dots_packed(it, packed)).ravel() for it in blocks)]
        )
    if count < len(rows):
        rows = np.sort(rows[np.argpartition(scores, -count)[-count:]])
    return rows
