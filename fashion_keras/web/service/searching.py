"""Searches of the web application: form -> products, facets, attributes guessed of an outside photo."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.columns import TITLE
from fashion_keras.search.base import Index
from fashion_keras.search.filters import parse_filters
from fashion_keras.search.matches import Match, SearchOptions, SearchQuery, query_by_id, record_attributes
from fashion_keras.search.similar import Searcher
from fashion_keras.search.text_query import TextQuery
from fashion_keras.support.errors import InputError
from fashion_keras.web.http.uploads import Form, RequestError, clean_text
from fashion_keras.web.service.catalog_view import CatalogView, Mask

_DEFAULT_K, _MAX_K = 24, 100
_LONGEST_NUMBER = 15  # digits that a float holds


@dataclass(frozen=True)
class SearchRequest:
    """A search: at most one of `pixels`, `sku` and `image_id`; without these and a text it lists products.

    `pixels` [h, w, 3] uint8 are an uploaded image in the size of the index's encoder.
    """

    pixels: NDArray[np.uint8] | None = None
    sku: str | None = None
    image_id: str | None = None
    words: TextQuery = field(default_factory=TextQuery)
    k: int = _DEFAULT_K
    where: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, form: Form, pixels: NDArray[np.uint8] | None) -> "SearchRequest":
        """Read the fields of a form; InputError for a wrong one."""
        sku, image_id, text, without = (form.text(name) for name in ("sku", "image_id", "text", "without"))
        if sum(value is not None for value in (pixels, sku, image_id)) > 1:
            raise InputError("give one of image, sku and image_id")
        if without and not text and pixels is None and sku is None and image_id is None:
            raise InputError("without needs an image, a text or a product that it changes")
        words = TextQuery(text, _number(form, "text_weight", 0.5), without, _flag(form, "hybrid"))
        return cls(pixels, sku, image_id, words, _whole_number(form, "k", _DEFAULT_K), _where(form))

    @property
    def is_browsing(self) -> bool:
        """Whether there is nothing to be similar to."""
        return self.pixels is None and not (self.sku or self.image_id or self.words.text)


def search(searcher: Searcher, index: Index, view: CatalogView, request: SearchRequest) -> dict[str, Any]:
    """Return the reply to a search of `index`, whose columns are in `view`."""
    started = time.perf_counter()
    masks = view.masks(index, request.where)
    query = None
    if request.is_browsing:
        results = _browse(index, view, view.matching(masks), request.k)
    else:
        options = SearchOptions(
            request.k, parse_filters(request.where), exclude_self=request.pixels is None, collapse_duplicates=True,
            group_by_product=True,
        )  # fmt: skip
        query = _query(searcher, index, view, request)
        matches = searcher.find(index, query, request.words, options) if query else []
        results = [_result(match, view) for match in matches]
    guessed = _guessed(query, view) if query and request.pixels is not None else {}
    seconds = round(time.perf_counter() - started, 4)
    return {"results": results, "facets": view.count_facets(masks), "guessed": guessed, "seconds": seconds}


def describe_product(searcher: Searcher, index: Index, view: CatalogView, sku: str, k: int = 12) -> dict[str, Any]:
    """Return a product's images and attributes, and its k nearest products; RequestError 404 for an unknown SKU."""
    if sku not in view.images_of:
        raise RequestError(404, "no product of that SKU is in the index")
    product = _list_products(index, view, np.array([view.row_of[view.images_of[sku][0]]]))[0]
    neighbors = search(searcher, index, view, SearchRequest(sku=sku, k=k))["results"]
    return {name: product[name] for name in ("sku", "title", "images", "attributes")} | {"neighbours": neighbors}


def _query(searcher: Searcher, index: Index, view: CatalogView, request: SearchRequest) -> SearchQuery | None:
    """Return the query; never by `search_similar`, for which a text may be the path of a file."""
    if request.pixels is not None:
        if not len(index):
            return None
        query = searcher.image_queries(index, [request.pixels], request.k)[0]
    elif request.sku or request.image_id:
        ids = view.images_of.get(request.sku, []) if request.sku else [request.image_id]
        if not ids or not all(name in view.row_of for name in ids):
            raise RequestError(404, "no product or image of that name is in the index")
        query = query_by_id(index, np.array(ids, np.str_))
    else:
        return searcher.text_query(index, request.words, request.k)
    return searcher.add_words(query, request.words)


def _browse(index: Index, view: CatalogView, mask: Mask, k: int) -> list[dict[str, Any]]:
    """Return the first k products of which an image is in `mask` [n]."""
    rows = np.flatnonzero(mask)
    products = view.products[rows]
    first = np.sort(np.unique(products, return_index=True)[1])[:k]
    matched = np.bincount(products, minlength=1)[products[first]]
    results = _list_products(index, view, rows[first])
    return [result | {"matched": int(count)} for result, count in zip(results, matched, strict=True)]


def _list_products(index: Index, view: CatalogView, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the images at rows of the view as results without a score."""
    if not len(rows):
        return []
    records = index.lookup(view.ids[rows])
    matches = (
        Match(str(sku), str(name), 0.0, row + 1, "", record_attributes(records, row), ())
        for row, (sku, name) in enumerate(zip(records.skus, records.ids, strict=True))
    )
    return [_result(match, view) | {"score": None} for match in matches]


def _result(match: Match, view: CatalogView) -> dict[str, Any]:
    """Return a match as JSON: without its path, which is no client's business."""
    attributes = {name: value for name, value in match.attributes.items() if name != TITLE}
    return {
        "sku": match.sku,
        "image_id": match.image_id,
        "title": str(match.attributes.get(TITLE, match.sku)),
        "score": round(match.score, 4),
        "rank": match.rank,
        "matched": match.matched,
        "images": view.images_of.get(match.sku, [match.image_id]),
        "attributes": attributes,
        "shared": list(match.shared_attributes),
    }


def _guessed(query: SearchQuery, view: CatalogView) -> dict[str, dict[str, Any]]:
    """Return what most neighbors of an outside photo have, for the columns of texts that are facets."""
    return {
        name: {"value": query.attributes[name], "share": round(query.shares[name], 3)}
        for name, facet in view.facets.items()
        if facet.kind == "values" and name in query.shares
    }


def _where(form: Form) -> dict[str, Any]:
    text = form.fields.get("where", "").strip()
    if not text:
        return {}
    try:
        where = json.loads(clean_text(text), parse_int=_read_int, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InputError('where is a JSON object, such as {"gender": "Women", "price": {"gte": 1}}') from None
    if not isinstance(where, dict):
        raise InputError("where is a JSON object of column -> value, values or range")
    return {clean_text(name): _clean_condition(name, value) for name, value in where.items()}


def _clean_condition(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value, list of values or range with valid texts; InputError for anything else."""
    if isinstance(value, list):
        return [_clean_value(name, part) for part in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean_value(name, part) for key, part in value.items()}
    return _clean_value(name, value)


def _clean_value(name: str, value: Any) -> str | float | None:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return clean_text(value)
    if value is not None and not isinstance(value, int | float):
        raise InputError(f"where: {clean_text(name)} is a value, a list of values or a range such as {{'gte': 1}}")
    return value


def _read_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _number(form: Form, name: str, default: float) -> float:
    text = form.text(name)
    try:
        return default if text is None else float(text)
    except ValueError:
        raise InputError(f"{name} is a number, not {text!r}") from None


def _whole_number(form: Form, name: str, default: int) -> int:
    text = form.text(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= _MAX_K and len(text) < 4):
        raise InputError(f"{name} is a whole number from 1 to {_MAX_K}, not {text!r}")
    return int(text)


def _flag(form: Form, name: str) -> bool:
    text = (form.text(name) or "false").lower()
    if text not in ("true", "false", "1", "0", "on"):
        raise InputError(f"{name} is true or false, not {text!r}")
    return text in ("true", "1", "on")
