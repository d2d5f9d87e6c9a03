"""Searches of an open index by images and by products of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.near_duplicates import NEAR_DUPLICATE_COSINE, thumbnail_signature
from fashion_keras.search.base import Index, IndexSpec, Records
from fashion_keras.search.filters import Where
from fashion_keras.search.matches import Match, RecordImages, SearchQuery, make_match, record_attributes, vote
from fashion_keras.support.errors import InputError

# How many neighbors vote on an image's attributes.
_VOTERS = 10
# So many more products are retrieved than wanted: some show the query's own image.
_SPARE = 3


@dataclass(frozen=True)
class SearchOptions:
    """Options of `search_similar`: number of matches, filters, and which products are left out."""

    k: int
    where: Where | None = None
    exclude_self: bool = True
    collapse_duplicates: bool = True


class Searcher:
    """An open index and its encoder, which is loaded when the first image is embedded. Threads may share it."""

    def __init__(self, index: Index, encoder: Encoder | None = None) -> None:
        """Take an index, and its encoder if that is loaded already; InputError for another encoder."""
        self.index = index
        self._loading = Lock()
        self._encoder = encoder and _check_encoder(encoder, index.spec)

    @property
    def encoder(self) -> Encoder:
        """The encoder of the index; InputError when it is not the one any more that made the embeddings."""
        with self._loading:
            if self._encoder is None:
                spec = self.index.spec
                self._encoder = _check_encoder(load_encoder(spec.encoder, spec.weights, spec.image_size), spec)
            return self._encoder

    def search(self, queries: Sequence[Any], options: SearchOptions) -> list[list[Match]]:
        """Return the matches of each query, an image or an int: the id of a product; see `search_similar`."""
        index = self.index.pinned()
        size = len(index)
        if not size:
            return [[] for _ in queries]
        # Before the encoder is loaded: what is no image is refused at once.
        signatures = [thumbnail_signature(query) for query in queries if not isinstance(query, int)]
        images = [query for query in queries if not isinstance(query, int)]
        embedded = iter(zip(self.encoder.embed(images) if images else (), signatures, strict=True))
        matches = []
        for query in queries:
            made = _by_id(index, query) if isinstance(query, int) else _by_image(index, *next(embedded), options.k)
            matches.append(_matches(index, size, made, options))
        return matches


def _check_encoder(encoder: Encoder, spec: IndexSpec) -> Encoder:
    if encoder.identity != spec.encoder_identity:
        raise InputError(
            f"the index was made by another {spec.encoder} (weights {spec.encoder_identity}, now "
            f"{encoder.identity}); build it again with `fashion-keras index --overwrite`"
        )
    return encoder


def _by_id(index: Index, number: int) -> SearchQuery:
    record = index.lookup(np.array([number]))
    return SearchQuery(record.embeddings[0], record_attributes(record, 0), RecordImages(record).signature(0), number)


def _by_image(index: Index, embedding: NDArray[np.float32], signature: NDArray[np.float32], k: int) -> SearchQuery:
    """Return the query of an image, whose attributes are those that most of its neighbors have."""
    neighbors = index.nearest(embedding, max(_VOTERS, k + _SPARE))[0]
    attributes = vote(index.lookup(neighbors.ids[:_VOTERS]), neighbors.scores[:_VOTERS])
    return SearchQuery(embedding, attributes, signature, neighbors=neighbors)


def _matches(index: Index, size: int, query: SearchQuery, options: SearchOptions) -> list[Match]:
    """Retrieve more and more products until k are left, or all that match have been seen."""
    count = min(size, options.k + _SPARE)
    neighbors = query.neighbors if not options.where else None
    while True:
        neighbors = neighbors or index.nearest(query.embedding, count, options.where)[0]
        records = index.lookup(neighbors.ids)
        rows = _distinct_rows(query, records, neighbors.scores, options)
        if len(rows) >= options.k or len(neighbors.ids) < count or count == size:
            top = enumerate(rows[: options.k], 1)
            return [make_match(query, records, row, neighbors.scores, rank) for rank, row in top]
        count, neighbors = min(size, 4 * count), None


def _distinct_rows(
    query: SearchQuery, records: Records, scores: NDArray[np.float32], options: SearchOptions
) -> list[int]:
    """Return the rows that are neither the query itself nor show an image that an earlier row shows."""
    images = RecordImages(records)
    rows: list[int] = []
    for row, number in enumerate(records.ids.tolist()):
        is_query = number == query.id or (
            scores[row] >= NEAR_DUPLICATE_COSINE and images.is_same_image(row, query.signature)
        )
        close = [
            other for other in rows if records.embeddings[row] @ records.embeddings[other] >= NEAR_DUPLICATE_COSINE
        ]
        is_repeated = options.collapse_duplicates and any(
            images.is_same_image(row, images.signature(other)) for other in close
        )
        if not (options.exclude_self and is_query) and not is_repeated:
            rows.append(row)
    return rows
