"""Search queries and their matches: attributes, votes of neighbors, near-duplicate images."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import ImageError
from fashion_keras.images.near_duplicates import is_near_duplicate, thumbnail_signature
from fashion_keras.search.base import Neighbors, Records

# The share of the neighbors' scores that a value needs to be taken for the query's.
_MAJORITY = 0.5
# Columns that are no attributes which two products could share.
_NOT_SHARED = ("product_display_name", "year")


@dataclass(frozen=True)
class Match:
    """A product that a search returns.

    Attributes:
        id: of the product.
        rank: from 1.
        score: cosine similarity of its embedding and the query's.
        path: its image file.
        attributes: column -> value, as the index has them.
        shared_attributes: columns in which it agrees with the query: with the product searched for, or with what most
            of an image's nearest neighbors have.
    """

    id: int
    rank: int
    score: float
    path: str
    attributes: dict[str, str]
    shared_attributes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Match(rank={self.rank}, id={self.id}, score={self.score:.3f}, path={self.path!r})"


@dataclass(frozen=True)
class SearchQuery:
    """Embedded query of a search, with its attributes.

    Attributes:
        embedding [d]: of length 1.
        attributes: the product's, or an image's predicted by its neighbors.
        signature: of the image, if that can be read.
        id: in the index, for a product of it.
        neighbors: the nearest products without a filter, where they are known already.
    """

    embedding: NDArray[np.float32]
    attributes: dict[str, str]
    signature: NDArray[np.float32] | None = None
    id: int | None = None
    neighbors: Neighbors | None = None


class RecordImages:
    """Thumbnail signatures of the images of records, made when they are first needed."""

    def __init__(self, records: Records) -> None:
        self._paths = records.paths
        self._signatures: dict[int, NDArray[np.float32] | None] = {}

    def signature(self, row: int) -> NDArray[np.float32] | None:
        """Return the signature of a row's image; None where its file cannot be read any more: it equals no other."""
        if row not in self._signatures:
            try:
                self._signatures[row] = thumbnail_signature(str(self._paths[row]))
            except ImageError:
                self._signatures[row] = None
        return self._signatures[row]

    def is_same_image(self, row: int, signature: NDArray[np.float32] | None) -> bool:
        """Return whether a row's image equals the image of a signature."""
        own = None if signature is None else self.signature(row)
        return own is not None and is_near_duplicate(own, signature)


def record_attributes(records: Records, row: int) -> dict[str, str]:
    """Return column -> value of a product, without missing values."""
    return {name: str(values[row]) for name, values in records.columns.items() if values[row]}


def vote(records: Records, scores: NDArray[np.float32]) -> dict[str, str]:
    """Return column -> the value that has the majority of the scores, where a value has."""
    winners = {}
    weights = np.maximum(scores, 0)
    for name, values in records.columns.items():
        votes: dict[str, float] = defaultdict(float)
        for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
            votes[value] += weight
        winner = max(votes, key=votes.__getitem__)
        if winner and votes[winner] > _MAJORITY * weights.sum():
            winners[name] = winner
    return winners


def make_match(query: SearchQuery, records: Records, row: int, scores: NDArray[np.float32], rank: int) -> Match:
    """Return the match of a query and the product at `row`."""
    attributes = record_attributes(records, row)
    shared = tuple(
        name for name, value in attributes.items() if name not in _NOT_SHARED and query.attributes.get(name) == value
    )
    return Match(int(records.ids[row]), rank, float(scores[row]), str(records.paths[row]), attributes, shared)
