"""Search queries and their matches: attributes, votes of neighbors, near-duplicate images, images of one product."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.columns import TITLE
from fashion_keras.images.near_duplicates import NEAR_DUPLICATE_COSINE, is_near_duplicate, thumbnail_signature
from fashion_keras.images.raster import ImageError
from fashion_keras.search.base import Index, Neighbors, Records
from fashion_keras.search.filters import Filters
from fashion_keras.search.match import Match, Matches

# How many neighbors vote on an image's attributes, and the share of their scores that a value needs.
_VOTERS, _MAJORITY = 10, 0.5
# So many more images are retrieved than wanted: some show the query's own image.
_SPARE = 3
# Columns that are no attributes which two products could share; numbers are none either.
_NOT_SHARED = (TITLE, "year")

Signature = NDArray[np.float32] | None
# Embedding [d], k, filters -> the k best images.
Nearest = Callable[[NDArray[np.float32], int, Filters], Neighbors]


@dataclass(frozen=True)
class SearchOptions:
    """Options of `search_similar`."""

    k: int
    where: Filters
    exclude_self: bool
    collapse_duplicates: bool
    group_by_product: bool


@dataclass(frozen=True)
class SearchQuery:
    """Embedded query: m images of one product, or a text, or both.

    Attributes:
        embedding [d]: that is searched for, of length 1.
        embeddings [m, d]: of the images; m is 0 for a text alone.
        signatures: of the m images, where they can be read.
        attributes: of the product; an image's are predicted by its neighbors.
        shares: column -> share of the neighbors' scores for the value in `attributes`; {} for a product of the index.
        sku: of a product in the index, else None.
        retrieved: the nearest images without a filter, where they are known already, and what the index has of them.
    """

    embedding: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    signatures: Sequence[Signature]
    attributes: dict[str, Any]
    sku: str | None = None
    retrieved: tuple[Neighbors, Records] | None = None
    shares: dict[str, float] = field(default_factory=dict)


def unit(embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an embedding [d] at length 1."""
    return embedding / max(np.linalg.norm(embedding), 1e-12)


def query_by_id(index: Index, ids: NDArray[np.str_]) -> SearchQuery:
    """Return the query of a product in the index, by the ids of one or several of its images."""
    records = index.lookup(ids)
    signatures = [_signature(path) for path in records.paths]
    embedding = unit(records.embeddings.mean(axis=0))
    return SearchQuery(embedding, records.embeddings, signatures, record_attributes(records, 0), str(records.skus[0]))


def query_by_embedding(index: Index, embedding: NDArray[np.float32], signature: Signature, k: int) -> SearchQuery:
    """Return the query of an image, or of a text, without a signature; its attributes are those of most neighbors."""
    neighbors = index.nearest(embedding, max(_VOTERS, k + _SPARE))[0]
    records = index.lookup(neighbors.ids)
    votes = _vote(records, neighbors.scores[:_VOTERS])
    attributes, shares = ({name: vote[part] for name, vote in votes.items()} for part in (0, 1))
    count = int(signature is not None)
    images = embedding[None][:count], [signature][:count]
    return SearchQuery(embedding, *images, attributes, retrieved=(neighbors, records), shares=shares)


def find_matches(index: Index, query: SearchQuery, options: SearchOptions, nearest: Nearest | None = None) -> Matches:
    """Retrieve more and more images until k matches are left, or all images that match have been seen.

    `nearest` ranks the images; None for the similarity of their embeddings alone.
    """
    nearest = nearest or (lambda *search: index.nearest(*search)[0])
    size = len(index)
    count = min(size, options.k + _SPARE)
    retrieved = query.retrieved if not options.where else None
    while True:
        if retrieved is None:
            neighbors = nearest(query.embedding, count, options.where)
            retrieved = neighbors, index.lookup(neighbors.ids)
        neighbors, records = retrieved
        rows = _distinct_rows(query, records, neighbors.scores, options)
        groups = _group(rows, records, options.group_by_product)
        # One more than k: up to its first image, those of the others are counted.
        if len(groups) > options.k or len(neighbors.ids) < count or count == size:
            return _make_matches(query, records, neighbors.scores, groups, options.k)
        count, retrieved = min(size, 4 * count), None


def _distinct_rows(
    query: SearchQuery, records: Records, scores: NDArray[np.float32], options: SearchOptions
) -> list[int]:
    """Return the rows that are neither of the query's product nor show an image that an earlier row shows."""
    signature = cache(lambda row: _signature(records.paths[row]))

    def is_same_image(row: int, embedding: NDArray[np.float32], other: Signature) -> bool:
        if other is None or records.embeddings[row] @ embedding < NEAR_DUPLICATE_COSINE:
            return False
        return signature(row) is not None and is_near_duplicate(signature(row), other)

    rows: list[int] = []
    own = {query.sku}
    for row, sku in enumerate(records.skus.tolist()):
        images = zip(query.embeddings, query.signatures, strict=True)
        if options.exclude_self and (sku in own or any(is_same_image(row, *image) for image in images)):
            own.add(sku)
        elif not options.collapse_duplicates or not any(
            is_same_image(row, records.embeddings[other], signature(other)) for other in rows
        ):
            rows.append(row)
    return rows


def _group(rows: list[int], records: Records, by_product: bool) -> list[list[int]]:
    """Return the rows of each match, in order of the first: of each product, or each row for itself."""
    groups: dict[str | int, list[int]] = {}
    for row in rows:
        groups.setdefault(records.skus[row] if by_product else row, []).append(row)
    return [*groups.values()]


def _signature(path: str) -> Signature:
    """Return the thumbnail signature of an image file; None where it cannot be read any more: it equals no other."""
    try:
        state = Path(path).stat()
        return _read_signature(str(path), state.st_size, state.st_mtime_ns)
    except (ImageError, OSError):
        return None


@lru_cache(maxsize=2**14)
def _read_signature(path: str, _size: int, _modified: int) -> NDArray[np.float32]:
    """Read the thumbnail signature of a file of this size and time: neighbors are compared in every search."""
    return thumbnail_signature(path)


def record_attributes(records: Records, row: int) -> dict[str, Any]:
    """Return the column values that are not missing; whole numbers as int."""
    values = {name: column[row : row + 1].tolist()[0] for name, column in records.columns.items()}
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in values.items()
        if value != "" and (isinstance(value, str) or isfinite(value))
    }


def _vote(records: Records, scores: NDArray[np.float32]) -> dict[str, tuple[str, float]]:
    """Return column of text -> the value that has the majority of the scores [v], of the first records, and its share.

    Columns without such a value are left out.
    """
    winners = {}
    weights = np.maximum(scores, 0)
    for name, values in records.columns.items():
        votes: dict[Any, float] = defaultdict(float)
        for value, weight in zip(values[: len(weights)].tolist(), weights.tolist(), strict=True):
            votes[value] += weight
        winner = max(votes, key=votes.__getitem__)
        if winner and votes[winner] > _MAJORITY * weights.sum():
            winners[name] = winner, votes[winner] / float(weights.sum())
    return winners


def _make_matches(
    query: SearchQuery, records: Records, scores: NDArray[np.float32], groups: list[list[int]], k: int
) -> Matches:
    end = groups[k][0] if len(groups) > k else len(records)
    matches = Matches()
    for rank, rows in enumerate(groups[:k], 1):
        row, matched = rows[0], sum(row < end for row in rows)
        attributes = record_attributes(records, row)
        shared = tuple(
            name
            for name, value in attributes.items()
            if isinstance(value, str) and name not in _NOT_SHARED and query.attributes.get(name) == value
        )
        names = str(records.skus[row]), str(records.ids[row])
        path, score = str(records.paths[row]), float(scores[row])
        guessed = {name: query.shares[name] for name in shared if name in query.shares}
        matches.append(Match(*names, score, rank, path, attributes, shared, matched, guessed))
    return matches
