"""`search_similar(image)`: which products look like a picture, and why."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.decode import ImageError
from fashion_keras.images.near_duplicates import NEAR_DUPLICATE_COSINE, is_near_duplicate, thumbnail_signature
from fashion_keras.search.base import Index, Neighbours, Records, Where
from fashion_keras.search.indexing import DEFAULT_INDEX, open_index
from fashion_keras.support.errors import InputError

# How many neighbours say what a picture shows, and which share of their scores one value needs.
_VOTERS, _MAJORITY = 10, 0.5
# So many more are asked for than wanted: some show the query's own picture.
_SPARE = 3
# What is no attribute that two products could share.
_OWN = ("product_display_name", "year")


@dataclass(frozen=True)
class Match:
    """A product found.

    Attributes:
        id, path: which, and its picture.
        rank: from 1.
        score: cosine of its vector with the query's.
        attributes: column -> value, as the index has them.
        shared: columns in which it agrees with the query: with the product asked for, or with what most of a
            picture's nearest neighbours have.
    """

    id: int
    rank: int
    score: float
    path: str
    attributes: dict[str, str]
    shared: tuple[str, ...]


@dataclass(frozen=True)
class SearchQuery:
    """One thing to look for.

    Attributes:
        vector [d]: of length 1.
        attributes: what is known of it.
        signature: of its picture, if that can be read.
        id: in the index, for a product of it.
        near: its nearest products, where the index has been asked already.
    """

    vector: NDArray[np.float32]
    attributes: dict[str, str]
    signature: NDArray[np.float32] | None = None
    id: int | None = None
    near: Neighbours | None = None


def search_similar(
    image: Any,  # noqa: ANN401 - whatever is a picture, an id, or a list of those
    k: int = 5,
    index: str | Path = DEFAULT_INDEX,
    where: Where | None = None,
    exclude_self: bool = True,
    collapse_duplicates: bool = True,
) -> Any:  # noqa: ANN401 - list[Match], or a list of those for a list of images
    """Return the k products that look most like a picture, the most similar first: list[Match].

    Args:
        image: a path, encoded bytes, a PIL image, an array with pixels in 0..255, or the id of a product in the index;
            a list or tuple of those gives a list of lists.
        k: how many; fewer come back where fewer match.
        index: a folder, or postgresql://...
        where: column -> value, or several values of which one must match: {"base_colour": ["Blue", "Navy Blue"]}. The
            true nearest of all that match, however few.
        exclude_self: leave out the product asked for, and products with the very picture asked for.
        collapse_duplicates: of products with the same picture show the first only.

    The index and its encoder stay open for the next call, which sees what was added meanwhile.

    Raises:
        ImageError: for what is no usable picture.
        InputError: for a missing index, k below 1 or above the products in it, an unknown id, column or value.
    """
    searcher = _opened(str(index))
    images = image if isinstance(image, list | tuple) else [image]
    found = searcher.search(images, k, where, exclude_self, collapse_duplicates)
    return found if isinstance(image, list | tuple) else found[0]


class Searcher:
    """An open index and its encoder."""

    def __init__(self, index: Index, encoder: Encoder | None = None) -> None:
        """Load the index's encoder, unless one is given; InputError when it is not the one that made the vectors."""
        self.index, spec = index, index.spec
        self.encoder = encoder or load_encoder(spec.encoder, spec.weights, spec.image_size)
        if self.encoder.identity != spec.fingerprint:
            raise InputError(
                f"the index was made by another {spec.encoder} (weights {spec.fingerprint}, now "
                f"{self.encoder.identity}); make it again with `fashion-keras index`"
            )

    def search(
        self, images: Sequence[Any], k: int, where: Where | None, exclude_self: bool, collapse_duplicates: bool
    ) -> list[list[Match]]:
        """See `search_similar`."""
        self.index.refresh()
        if not 1 <= k <= len(self.index):
            raise InputError(f"k is from 1 to the {len(self.index)} products of the index, not {k}")
        queries = self._queries(images, k)
        return [self._matches(query, k, where, exclude_self, collapse_duplicates) for query in queries]

    def _queries(self, images: Sequence[Any], k: int) -> list[SearchQuery]:
        if not images:
            raise InputError("search_similar needs at least one image")
        pictures = [image for image in images if not _is_id(image)]
        vectors = iter(self.encoder.embed(pictures) if pictures else ())
        return [
            self._product(int(image)) if _is_id(image) else self._picture(image, next(vectors), k) for image in images
        ]

    def _product(self, number: int) -> SearchQuery:
        record = self.index.lookup(np.array([number]))
        return SearchQuery(record.vectors[0], _attributes(record, 0), _Pictures(record).of(0), number)

    def _picture(self, image: Any, vector: NDArray[np.float32], k: int) -> SearchQuery:  # noqa: ANN401
        """Let the nearest products say what a picture shows."""
        near = self.index.nearest(vector, min(max(_VOTERS, k + _SPARE), len(self.index)))[0]
        said = _vote(self.index.lookup(near.ids[:_VOTERS]), near.scores[:_VOTERS])
        return SearchQuery(vector, said, thumbnail_signature(image), near=near)

    def _matches(
        self, query: SearchQuery, k: int, where: Where | None, exclude_self: bool, collapse_duplicates: bool
    ) -> list[Match]:
        """Ask for more until k are left, or all that match have been seen."""
        asked = min(len(self.index), k + _SPARE)
        near = query.near if query.near and not where else self.index.nearest(query.vector, asked, where)[0]
        while True:
            records = self.index.lookup(near.ids)
            kept = self._kept(query, records, near.scores, exclude_self, collapse_duplicates)
            if len(kept) >= k or len(near.ids) < asked or asked == len(self.index):
                return [_match(query, records, row, near.scores, rank) for rank, row in enumerate(kept[:k], 1)]
            asked = min(len(self.index), 4 * asked)
            near = self.index.nearest(query.vector, asked, where)[0]

    def _kept(
        self, query: SearchQuery, records: Records, scores: NDArray[np.float32], exclude_self: bool, collapse: bool
    ) -> list[int]:
        """Return the rows that are neither the query itself nor show a picture again."""
        pictures = _Pictures(records)
        kept: list[int] = []
        for row, number in enumerate(records.ids.tolist()):
            itself = number == query.id or (
                scores[row] >= NEAR_DUPLICATE_COSINE and pictures.shows(row, query.signature)
            )
            near = [other for other in kept if records.vectors[row] @ records.vectors[other] >= NEAR_DUPLICATE_COSINE]
            again = collapse and any(pictures.shows(row, pictures.of(other)) for other in near)
            if not (exclude_self and itself) and not again:
                kept.append(row)
        return kept


class _Pictures:
    """Sketches of the pictures of records, made when they are first asked for."""

    def __init__(self, records: Records) -> None:
        self._paths = records.paths
        self._sketches: dict[int, NDArray[np.float32] | None] = {}

    def of(self, row: int) -> NDArray[np.float32] | None:
        """The sketch of a row, or None where its file cannot be read any more: such a one is like no other."""
        if row not in self._sketches:
            try:
                self._sketches[row] = thumbnail_signature(str(self._paths[row]))
            except ImageError:
                self._sketches[row] = None
        return self._sketches[row]

    def shows(self, row: int, theirs: NDArray[np.float32] | None) -> bool:
        """Whether a row's picture is the one of this sketch."""
        ours = None if theirs is None else self.of(row)
        return ours is not None and is_near_duplicate(ours, theirs)


@lru_cache(maxsize=4)
def _opened(index: str) -> Searcher:
    return Searcher(open_index(index))


def _is_id(image: object) -> bool:
    return isinstance(image, int | np.integer)


def _attributes(records: Records, row: int) -> dict[str, str]:
    return {name: str(values[row]) for name, values in records.columns.items() if values[row]}


def _vote(records: Records, scores: NDArray[np.float32]) -> dict[str, str]:
    """Return column -> the value that has the majority of the scores, where one has."""
    said = {}
    weights = np.maximum(scores, 0)
    for name, values in records.columns.items():
        votes: dict[str, float] = defaultdict(float)
        for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
            votes[value] += weight
        value = max(votes, key=votes.__getitem__)
        if value and votes[value] > _MAJORITY * weights.sum():
            said[name] = value
    return said


def _match(query: SearchQuery, records: Records, row: int, scores: NDArray[np.float32], rank: int) -> Match:
    attributes = _attributes(records, row)
    shared = tuple(
        name for name, value in attributes.items() if name not in _OWN and query.attributes.get(name) == value
    )
    return Match(int(records.ids[row]), rank, float(scores[row]), str(records.paths[row]), attributes, shared)
