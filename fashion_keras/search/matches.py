"""Search queries and their matches: attributes, votes of neighbors, near-duplicate images."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.near_duplicates import NEAR_DUPLICATE_COSINE, is_near_duplicate, thumbnail_signature
from fashion_keras.images.raster import ImageError
from fashion_keras.search.base import Index, Neighbors, Records

# How many neighbors vote on an image's attributes, and the share of their scores that a value needs.
_VOTERS, _MAJORITY = 10, 0.5
# So many more products are retrieved than wanted: some show the query's own image.
_SPARE = 3
# Columns that are no attributes which two products could share.
_NOT_SHARED = ("product_display_name", "year")


@dataclass(frozen=True)
class Match:
    """A product that a search returns.

    Attributes:
        id, path: of the product and its image file.
        rank: from 1.
        score: cosine similarity of its embedding and the query's.
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
class SearchOptions:
    """Options of `search_similar`."""

    k: int
    where: dict[str, tuple[str, ...]]
    exclude_self: bool
    collapse_duplicates: bool


@dataclass(frozen=True)
class SearchQuery:
    """Embedded query, its attributes (an image's are predicted by its neighbors) and its image's signature, if known.

    `id` is of a product in the index; `neighbors` are the nearest without a filter, where they are known already.
    """

    embedding: NDArray[np.float32]
    attributes: dict[str, str]
    signature: NDArray[np.float32] | None
    id: int | None = None
    neighbors: Neighbors | None = None


def query_by_id(index: Index, number: int) -> SearchQuery:
    """Return the query of a product in the index."""
    record = index.lookup(np.array([number]))
    return SearchQuery(record.embeddings[0], _attributes(record, 0), _signature(record.paths[0]), number)


def query_by_image(index: Index, embedding: NDArray[np.float32], signature: NDArray[np.float32], k: int) -> SearchQuery:
    """Return the query of an image, whose attributes are those that most of its neighbors have."""
    neighbors = index.nearest(embedding, max(_VOTERS, k + _SPARE))[0]
    attributes = _vote(index.lookup(neighbors.ids[:_VOTERS]), neighbors.scores[:_VOTERS])
    return SearchQuery(embedding, attributes, signature, neighbors=neighbors)


def find_matches(index: Index, size: int, query: SearchQuery, options: SearchOptions) -> list[Match]:
    """Retrieve more and more products until k are left, or all that match have been seen."""
    count = min(size, options.k + _SPARE)
    neighbors = query.neighbors if not options.where else None
    while True:
        neighbors = neighbors or index.nearest(query.embedding, count, options.where)[0]
        records = index.lookup(neighbors.ids)
        rows = _distinct_rows(query, records, neighbors.scores, options)
        if len(rows) >= options.k or len(neighbors.ids) < count or count == size:
            top = enumerate(rows[: options.k], 1)
            return [_make_match(query, records, row, neighbors.scores, rank) for rank, row in top]
        count, neighbors = min(size, 4 * count), None


def _distinct_rows(
    query: SearchQuery, records: Records, scores: NDArray[np.float32], options: SearchOptions
) -> list[int]:
    """Return the rows that are neither the query itself nor show an image that an earlier row shows."""
    signature = cache(lambda row: _signature(records.paths[row]))

    def is_same_image(row: int, other: NDArray[np.float32] | None) -> bool:
        return other is not None and signature(row) is not None and is_near_duplicate(signature(row), other)

    rows: list[int] = []
    for row, number in enumerate(records.ids.tolist()):
        if options.exclude_self and (
            number == query.id or (scores[row] >= NEAR_DUPLICATE_COSINE and is_same_image(row, query.signature))
        ):
            continue
        if not options.collapse_duplicates or not any(
            records.embeddings[row] @ records.embeddings[other] >= NEAR_DUPLICATE_COSINE
            and is_same_image(row, signature(other))
            for other in rows
        ):
            rows.append(row)
    return rows


def _signature(path: str) -> NDArray[np.float32] | None:
    """Return the thumbnail signature of an image file; None where it cannot be read any more: it equals no other."""
    try:
        return thumbnail_signature(str(path))
    except ImageError:
        return None


def _attributes(records: Records, row: int) -> dict[str, str]:
    return {name: str(values[row]) for name, values in records.columns.items() if values[row]}


def _vote(records: Records, scores: NDArray[np.float32]) -> dict[str, str]:
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


def _make_match(query: SearchQuery, records: Records, row: int, scores: NDArray[np.float32], rank: int) -> Match:
    attributes = _attributes(records, row)
    shared = tuple(
        name for name, value in attributes.items() if name not in _NOT_SHARED and query.attributes.get(name) == value
    )
    return Match(int(records.ids[row]), rank, float(scores[row]), str(records.paths[row]), attributes, shared)
