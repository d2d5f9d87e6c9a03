"""Similarity search: `search_similar(image, text=...)` returns the most similar products, and what they share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.features.encoder import Encoder
from fashion_keras.images.formats import ImageError
from fashion_keras.images.inputs import as_image_list, is_single_image
from fashion_keras.images.near_duplicates import thumbnail_signature
from fashion_keras.search.base import Index, IndexSpec, check_k
from fashion_keras.search.config import DEFAULT_INDEX
from fashion_keras.search.filters import Where, parse_filters
from fashion_keras.search.indexing import load_index_encoder, open_index
from fashion_keras.search.matches import (
    Matches,
    SearchOptions,
    SearchQuery,
    find_matches,
    query_by_embedding,
    query_by_id,
)
from fashion_keras.search.text_query import HybridSearch, TextQuery
from fashion_keras.support.errors import InputError

_MAX_OPEN = 4
_SEARCHERS: dict[str, "Searcher"] = {}
_OPENING = Lock()


def search_similar(
    image: Any = None,  # noqa: ANN401 - an image in any form, an id, or a collection of those
    k: int = 5,
    text: str | Sequence[str] | None = None,
    index: str | Path = DEFAULT_INDEX,
    where: Where | None = None,
    *,
    text_weight: float = 0.5,
    without: str | None = None,
    hybrid: bool = False,
    exclude_self: bool = True,
    collapse_duplicates: bool = True,
    group_by_product: bool = True,
) -> Matches | list[Matches]:
    """Return the k products whose images are most similar to an image, a text or both, the most similar first.

    Args:
        image: an image (path, encoded bytes, PIL image, array with pixels in 0..255), or an image id or SKU of the
            index. A text is the path of an image where there is such a file, else an image id, else a SKU; a whole
            number is an image id or SKU. A product with several images is searched for by the mean of their embeddings.
            Many of those (list, tuple, generator, array [n, h, w, 3], Series) give a list of lists; [] gives [].
        k: how many; fewer where fewer match.
        text: words, such as "navy blue check shirt", alone or to change what the image shows; several texts without
            an image give a list of lists. It needs an index of an encoder with a text tower, such as fashion_encoder.
        index: a folder, or postgresql://...
        where: column -> value, or several values of which one must match, or a range of numbers (gte, gt, lte, lt):
            {"base_colour": ["Blue", "Navy Blue"], "price": {"gte": 100, "lt": 500}}. Returns the nearest of all that
            match, see docs/search.md. Case, spaces and Unicode form make no difference; None is a missing value.
        text_weight, without: share of the text beside an image, 0..1; words of what products should not show.
        hybrid: also match the text with product names, SKUs and brands, and fuse both rankings; scores stay cosines.
        exclude_self: leave out the product searched for, and products with the query's very image.
        collapse_duplicates: of several images that look the same return the first only.
        group_by_product: return of each product its most similar image only, and how many `matched`.

    Index and encoder stay open for the next call, which sees changes, and another index in the same place. Thread-safe.

    Raises:
        ImageError: for what is no usable image.
        InputError: for neither image nor text, a missing index, an unknown id, column or value, wrong options, a text
            without words, an encoder without a text tower.
    """
    options = SearchOptions(check_k(k), parse_filters(where), exclude_self, collapse_duplicates, group_by_product)
    words = _text_queries(image is not None, text, text_weight, without, hybrid)
    searcher = _searcher(str(index))
    if image is None:
        matches = [searcher.search_text(query, options) for query in words]
        return matches[0] if isinstance(text, str) else matches
    single = _is_id(image) or is_single_image(image)
    matches = searcher.search(_query_list(image), words[0], options)
    return matches[0] if single else matches


def _text_queries(
    has_image: bool, text: str | Sequence[str] | None, weight: float, without: str | None, hybrid: bool
) -> list[TextQuery]:
    """Return the words of each query: of one with an image, or of each text."""
    if not has_image and not text:
        raise InputError("neither image nor text: give at least one of them")
    if has_image and not isinstance(text, str | None):
        raise InputError("several texts with an image: give one text")
    texts = [text] if isinstance(text, str | None) else list(text)
    return [TextQuery(text, weight, without, hybrid) for text in texts]


class Searcher:
    """An open index and its encoder, which is loaded when the first image or text is embedded. Threads may share it.

    `load` makes the encoder of the index's spec.
    """

    def __init__(self, index: Index, load: Callable[[IndexSpec], Encoder] = load_index_encoder) -> None:
        self.index = index
        self._load = load
        self._loading = Lock()
        self._encoder: Encoder | None = None
        self._hybrid = HybridSearch()

    @property
    def encoder(self) -> Encoder:
        """The encoder of the index; InputError where it has none, or another one than made the embeddings."""
        with self._loading:
            self._encoder = self._encoder or self._load(self.index.spec)
            return self._encoder

    def search_text(self, words: TextQuery, options: SearchOptions) -> Matches:
        """Return the matches of a text."""
        index = self.index.pinned()
        query = self.text_query(index, words, options.k)
        return self.find(index, query, words, options) if query else Matches()

    def search(self, queries: Sequence[Any], words: TextQuery, options: SearchOptions) -> list[Matches]:
        """Return the matches of each query: an image, or an int or str that may be an image id or SKU."""
        index = self.index.pinned()
        if not len(index):
            return [Matches() for _ in queries]
        named = [_image_ids(index, query) for query in queries]
        images = [query for query, ids in zip(queries, named, strict=True) if not len(ids)]
        by_image = iter(self.image_queries(index, images, options.k))
        parsed = [query_by_id(index, ids) if len(ids) else next(by_image) for ids in named]
        return [self.find(index, self.add_words(query, words), words, options) for query in parsed]

    def image_queries(self, index: Index, images: Sequence[Any], k: int) -> list[SearchQuery]:
        """Return the queries of n images, in any form that `decode` takes; ImageError for what is none."""
        # Before the encoder is loaded: what is no image is refused at once.
        signatures = [thumbnail_signature(image) for image in images]
        embeddings = self.encoder.embed(images) if images else ()
        return [query_by_embedding(index, *pair, k) for pair in zip(embeddings, signatures, strict=True)]

    def text_query(self, index: Index, words: TextQuery, k: int) -> SearchQuery | None:
        """Return the query of a text alone; None where the index is empty."""
        embedding = words.embed(self.encoder)
        return query_by_embedding(index, embedding, None, k) if len(index) else None

    def add_words(self, query: SearchQuery, words: TextQuery) -> SearchQuery:
        """Return a query changed by what a text adds to it and takes from it; itself where there are no words."""
        if not words.text and not words.without:
            return query
        return replace(query, embedding=words.embed(self.encoder, query.embedding), retrieved=None)

    def find(self, index: Index, query: SearchQuery, words: TextQuery, options: SearchOptions) -> Matches:
        """Return the matches of a query, which has the words already; a hybrid search also matches them."""
        if not words.hybrid:
            return find_matches(index, query, options)
        nearest = partial(self._hybrid.nearest, index, words.text)
        return find_matches(index, replace(query, retrieved=None), options, nearest)


def _searcher(location: str) -> Searcher:
    """Return the open index at a location; another index than the open one (its id tells) is opened anew."""
    searcher = _SEARCHERS.get(location)
    if searcher is not None and searcher.index.refresh():
        return searcher
    with _OPENING:
        if _SEARCHERS.get(location) is searcher:
            _SEARCHERS.pop(location, None)
            _SEARCHERS[location] = Searcher(open_index(location))
            if len(_SEARCHERS) > _MAX_OPEN:
                del _SEARCHERS[next(iter(_SEARCHERS))]
        return _SEARCHERS[location]


def _image_ids(index: Index, query: Any) -> NDArray[np.str_]:  # noqa: ANN401 - an image in any form, or a name
    """Return the image ids that a query names; [] for an image. InputError for what is neither."""
    if not isinstance(query, int | str) or (isinstance(query, str) and (query.startswith("data:") or is_file(query))):
        return np.array([], np.str_)
    # As catalogs write what is no Unicode.
    ids = index.find(str(query).encode("utf-8", "replace").decode())
    if not len(ids):
        no_file = "no such file, and " if isinstance(query, str) else ""
        raise ImageError(f"{query}: {no_file}no image id or SKU that is in the index")
    return ids


def is_file(text: str) -> bool:
    """Return whether a text is the path of a file."""
    try:
        return Path(text).is_file()
    except OSError:  # longer than names of files
        return False


def _query_list(images: Any) -> list[Any]:  # noqa: ANN401 - whatever a caller passes
    """Return queries as a list of images, and of ids as int or str."""
    if _is_id(images):
        return [int(images)]
    if isinstance(images, Iterator):
        images = list(images)
    # An array of more than one dimension holds images, not ids.
    may_hold_ids = isinstance(images, Iterable) and not is_single_image(images) and getattr(images, "ndim", 1) == 1
    items = list(images) if may_hold_ids else []
    if not any(map(_is_id, items)):
        return as_image_list(images)
    return [query for item in items for query in ([int(item)] if _is_id(item) else as_image_list(item))]


def _is_id(image: object) -> bool:
    return isinstance(image, Integral) and not isinstance(image, bool)
