"""Text of an image-text encoder as numbers: hashed words, word pairs and character trigrams. No Keras here.

As in fastText (Bojanowski et al. 2016, arXiv:1607.04606), there is no vocabulary: any word of any language has tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.words import stem, tokenize


@dataclass(frozen=True)
class TextSpec:
    """All that is needed to build a text tower again.

    Attributes:
        width: of the embeddings, that of the image encoder.
        buckets, dim: rows and width of the table of token embeddings; tokens with equal hashes share a row.
        hidden: width of the ReLU layer.
        tokens: how many of a text are used, at most.
        temperature, floor: of zero-shot classification, see `features.zero_shot`: cosines are divided by the
            temperature; an image whose best cosine is below the floor shows none of the labels.
    """

    width: int
    buckets: int = 2**15
    dim: int = 96
    hidden: int = 512
    tokens: int = 96
    temperature: float = 0.05
    floor: float = -1.0


def token_ids(texts: Sequence[str], spec: TextSpec) -> NDArray[np.int32]:
    """Return the token ids [n, tokens] of n texts, from 1, filled up with 0; words and pairs stand before trigrams."""
    ids = np.zeros((len(texts), spec.tokens), np.int32)
    for row, text in zip(ids, texts, strict=True):
        words = [*map(stem, tokenize(text))]
        whole = [_bucket(token, spec.buckets) for token in (*words, *map(" ".join, pairwise(words)))]
        numbers = [*whole, *(number for word in words for number in _trigrams(word, spec.buckets))][: spec.tokens]
        row[: len(numbers)] = numbers
    return ids


@lru_cache(maxsize=2**16)
def _trigrams(word: str, buckets: int) -> tuple[int, ...]:
    marked = f"<{word}>"
    return tuple(_bucket(marked[start : start + 3], buckets) for start in range(len(marked) - 2))


def _bucket(token: str, buckets: int) -> int:
    return 1 + crc32(token.encode()) % buckets
