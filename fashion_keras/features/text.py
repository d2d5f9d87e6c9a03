"""Text encoder: the text tower of an image-text encoder, in NumPy."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.models.serialization import TEXT, WEIGHTS, load_text_spec
from fashion_keras.models.text import token_ids
from fashion_keras.models.weights_file import check_weights, open_weights
from fashion_keras.support.errors import InputError

_ARRAYS = ("embedding/vars/0", "dense/vars/0", "dense/vars/1", "dense_1/vars/0", "dense_1/vars/1")


class TextEncoder:
    """Text tower in the folder of an image-text encoder; its weights are read when the first text is embedded.

    Equal to `build_text_tower`'s network. Threads may share it. InputError for another kind of model.
    """

    def __init__(self, folder: Path) -> None:
        self.spec, self._sha256 = load_text_spec(folder)
        self._path = folder / TEXT / WEIGHTS

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return embeddings [n, d] float32 of length 1; InputError for a text without any word, and altered weights."""
        ids = token_ids(texts, self.spec)
        for text, row in zip(texts, ids, strict=True):
            if not row.any():
                raise InputError(f"text {text!r} has no words")
        table, kernel, bias, last_kernel, last_bias = self._weights
        counts = np.count_nonzero(ids, axis=1)
        # One row after the other: the padding is never read.
        means = np.stack([table[row[:count]].mean(axis=0) for row, count in zip(ids, counts, strict=True)])
        hidden = np.maximum(means @ kernel + bias, 0)
        embeddings = hidden @ last_kernel + last_bias
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    @cached_property
    def _weights(self) -> tuple[NDArray[np.float32], ...]:
        check_weights(self._path, self._sha256, "copy the encoder again")
        spec = self.spec
        sizes = [(spec.buckets + 1, spec.dim), (spec.dim, spec.hidden), (spec.hidden,), (spec.hidden, spec.width)]
        with open_weights(self._path) as file:
            arrays = tuple(file[f"layers/{name}"][()].astype(np.float32) for name in _ARRAYS)
        if (shapes := [array.shape for array in arrays]) != [*sizes, (spec.width,)]:
            raise InputError(
                f"{self._path}: of another text tower: arrays {shapes}, expected {[*sizes, (spec.width,)]}"
            )
        return arrays


def find_text_encoder(folder: Path | None) -> TextEncoder | None:
    """Return the text encoder in the folder of an image encoder; None where it has none."""
    return TextEncoder(folder) if folder and (folder / TEXT).is_dir() else None
