"""Similarity search: `search_similar(image)` returns the most similar products and the attributes that they share."""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from pathlib import Path
from threading import Lock
from typing import Any

from fashion_keras.features.encoder import Encoder
from fashion_keras.images.inputs import as_image_list, is_single_image
from fashion_keras.images.near_duplicates import thumbnail_signature
from fashion_keras.search.base import Index, check_k
from fashion_keras.search.config import DEFAULT_INDEX
from fashion_keras.search.filters import Where, normalize_filters
from fashion_keras.search.indexing import load_index_encoder, open_index
from fashion_keras.search.matches import Match, SearchOptions, find_matches, query_by_id, query_by_image

_MAX_OPEN = 4
_SEARCHERS: dict[str, "_Searcher"] = {}
_OPENING = Lock()


def search_similar(
    image: Any,  # noqa: ANN401 - an image in any form, an id, or a collection of those
    k: int = 5,
    index: str | Path = DEFAULT_INDEX,
    where: Where | None = None,
    exclude_self: bool = True,
    collapse_duplicates: bool = True,
) -> list[Match] | list[list[Match]]:
    """Return the k products whose images are most similar to an image, the most similar first.

    Args:
        image: an image (path, encoded bytes, PIL image, array with pixels in 0..255), or the id of a product in the
            index. Many of those (list, tuple, generator, array [n, h, w, 3], Series) give a list of lists; [] gives [].
        k: how many; fewer are returned where fewer match.
        index: a folder, or postgresql://...
        where: column -> value, or several values of which one must match: {"base_colour": ["Blue", "Navy Blue"]}. The
            true nearest of all that match, however few. Numbers match their text; None matches a missing value.
        exclude_self: leave out the product searched for, and products with the query's very image.
        collapse_duplicates: of products with the same image return the first only.

    The index and its encoder stay open for the next call, which sees what was changed meanwhile, and another index
    that was built in the same place. Threads may call this at the same time.

    Raises:
        ImageError: for what is no usable image.
        InputError: for a missing index, k below 1, an unknown id, column or value.
    """
    options = SearchOptions(check_k(k), normalize_filters(where), exclude_self, collapse_duplicates)
    searcher = _searcher(str(index))
    single = _is_id(image) or is_single_image(image)
    matches = searcher.search(_query_list(image), options)
    return matches[0] if single else matches


class _Searcher:
    """An open index and its encoder, which is loaded when the first image is embedded. Threads may share it."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._loading = Lock()
        self._encoder: Encoder | None = None

    def search(self, queries: Sequence[Any], options: SearchOptions) -> list[list[Match]]:
        """Return the matches of each query, an image or an int: the id of a product."""
        index = self.index.pinned()
        size = len(index)
        if not size:
            return [[] for _ in queries]
        images = [query for query in queries if not isinstance(query, int)]
        # Before the encoder is loaded: what is no image is refused at once.
        signatures = [thumbnail_signature(image) for image in images]
        embedded = iter(zip(self._load().embed(images) if images else (), signatures, strict=True))
        matches = []
        for query in queries:
            by_id = isinstance(query, int)
            made = query_by_id(index, query) if by_id else query_by_image(index, *next(embedded), options.k)
            matches.append(find_matches(index, size, made, options))
        return matches

    def _load(self) -> Encoder:
        with self._loading:
            self._encoder = self._encoder or load_index_encoder(self.index.spec)
            return self._encoder


def _searcher(location: str) -> _Searcher:
    """Return the open index at a location; another index than the open one (its id tells) is opened anew."""
    searcher = _SEARCHERS.get(location)
    if searcher is not None and searcher.index.refresh():
        return searcher
    with _OPENING:
        if _SEARCHERS.get(location) is searcher:
            _SEARCHERS.pop(location, None)
            _SEARCHERS[location] = _Searcher(open_index(location))
            if len(_SEARCHERS) > _MAX_OPEN:
                del _SEARCHERS[next(iter(_SEARCHERS))]
        return _SEARCHERS[location]


def _query_list(images: Any) -> list[Any]:  # noqa: ANN401 - whatever a caller passes
    """Return queries as a list of images and of ids as int."""
    if _is_id(images):
        return [int(images)]
    if isinstance(images, Iterator):
        images = list(images)
    # An array of more than one dimension holds images, not ids.
    may_hold_ids = isinstance(images, Iterable) and not is_single_image(images) and getattr(images, "ndim", 1) == 1
    items = list(images) if may_hold_ids else []
    if not any(map(_is_id, items)):
        return as_image_list(images)
    queries: list[Any] = []
    for item in items:
        queries += [int(item)] if _is_id(item) else as_image_list(item)
    return queries


def _is_id(image: object) -> bool:
    return isinstance(image, Integral) and not isinstance(image, bool)
