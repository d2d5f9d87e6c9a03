"""Columns of an index at one state, in memory: products, their images, and facets with live counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import TITLE, Columns
from fashion_keras.search.base import Index, is_numeric
from fashion_keras.search.filters import Where

# A column with more values than this is no facet: titles, addresses, numbers of articles.
_MOST_VALUES = 200
_BINS = 20
_LABELS = {"base_colour": "Color"}

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ValueFacet:
    """A column of texts: its distinct `values`, and the code [n] of each image's, -1 where it is missing."""

    name: str
    values: tuple[str, ...]
    codes: NDArray[np.int64]
    kind = "values"

    def counts(self, mask: Mask, products: NDArray[np.int64]) -> dict[str, Any]:
        """Return the values of the images in `mask` [n], with their numbers of products, the most frequent first."""
        counts = _count_products(self.codes, mask & (self.codes >= 0), products, len(self.values))
        order = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], self.values[code]))
        return {"values": [{"value": self.values[code], "count": int(counts[code])} for code in order]}


@dataclass(frozen=True)
class NumberFacet:
    """A column of numbers [n], NaN where missing, and the edges of its histogram, ascending."""

    name: str
    numbers: NDArray[np.float64]
    edges: NDArray[np.float64]
    kind = "number"

    def counts(self, mask: Mask, products: NDArray[np.int64]) -> dict[str, Any]:
        """Return least and largest number of the images in `mask` [n], and the numbers of products between edges."""
        mask = mask & np.isfinite(self.numbers)
        bins = len(self.edges) - 1
        places = np.clip(np.searchsorted(self.edges, self.numbers, "right") - 1, 0, bins - 1)
        counts = _count_products(places, mask, products, bins)
        numbers = self.numbers[mask]
        ends = (float(numbers.min()), float(numbers.max())) if len(numbers) else (None, None)
        return {"min": ends[0], "max": ends[1], "counts": counts.tolist(), "edges": self.edges.tolist()}


@dataclass(frozen=True)
class CatalogView:
    """An index's images in ascending order of their ids.

    Attributes:
        state: of the index; another one after a change.
        ids, skus [n] str: of the images and of their products.
        columns: name -> [n], as the index holds them.
    """

    state: str
    ids: NDArray[np.str_]
    skus: NDArray[np.str_]
    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, index: Index) -> "CatalogView":
        """Read all columns of an index."""
        state, columns = index.state(), index.spec.columns
        values = index.select(columns)
        return cls(state, values["id"], values["sku"], {name: values[name] for name in columns})

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def products(self) -> NDArray[np.int64]:
        """The number [n] of each image's product, in 0..products - 1."""
        return np.unique(self.skus, return_inverse=True)[1]

    @cached_property
    def images_of(self) -> dict[str, list[str]]:
        """SKU -> ids of the product's images, ascending."""
        images: dict[str, list[str]] = {}
        for sku, name in zip(self.skus.tolist(), self.ids.tolist(), strict=True):
            images.setdefault(sku, []).append(name)
        return images

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Image id -> its row."""
        return {name: row for row, name in enumerate(self.ids.tolist())}

    @cached_property
    def facets(self) -> dict[str, ValueFacet | NumberFacet]:
        """Column -> facet, of the columns by which a catalog can be narrowed: texts first, then numbers."""
        facets = [_facet(name, values) for name, values in self.columns.items() if name != TITLE]
        return {facet.name: facet for kind in ("values", "number") for facet in facets if facet and facet.kind == kind}

    def describe_facets(self) -> list[dict[str, str]]:
        """Return name, label and kind of each facet."""
        return [{"name": name, "label": label(name), "kind": facet.kind} for name, facet in self.facets.items()]

    def masks(self, index: Index, where: Where) -> dict[str, Mask]:
        """Return column -> which images [n] match the condition on it; InputError for an unknown column or value."""
        names = Columns({name: name for name in index.spec.columns})
        masks = {}
        for given, condition in where.items():
            ids = index.select((), {given: condition})["id"]
            masks[str(names[given])] = np.isin(self.ids, ids)
        return masks

    def count_facets(self, masks: Mapping[str, Mask]) -> dict[str, dict[str, Any]]:
        """Return facet -> counts of the products that match all conditions but the facet's own."""
        if not masks:
            return self._all_counts
        return self._count(masks)

    def matching(self, masks: Mapping[str, Mask], but: str = "") -> Mask:
        """Return which images [n] match all conditions, or all but that on one column."""
        chosen = [mask for name, mask in masks.items() if name != but]
        return np.logical_and.reduce(chosen) if chosen else np.ones(len(self), bool)

    @cached_property
    def _all_counts(self) -> dict[str, dict[str, Any]]:
        return self._count({})

    def _count(self, masks: Mapping[str, Mask]) -> dict[str, dict[str, Any]]:
        return {name: facet.counts(self.matching(masks, name), self.products) for name, facet in self.facets.items()}


def label(name: str) -> str:
    """Return a column's name as a person reads it.

    >>> label("article_type"), label("base_colour")
    ('Article type', 'Color')
    """
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _facet(name: str, values: NDArray[Any]) -> ValueFacet | NumberFacet | None:
    """Return the facet of a column; None where it has fewer than two values, or too many texts."""
    if is_numeric(values):
        numbers = values.astype(np.float64)
        distinct = np.unique(numbers[np.isfinite(numbers)])
        if len(distinct) < 2:
            return None
        edges = np.linspace(distinct[0], distinct[-1], min(_BINS, len(distinct)) + 1)
        return NumberFacet(name, numbers, edges)
    texts = as_text(values)
    distinct, codes = np.unique(texts, return_inverse=True)
    present = distinct != ""
    if not 2 <= np.count_nonzero(present) <= _MOST_VALUES:
        return None
    numbers_of = np.where(present, np.cumsum(present) - 1, -1)
    return ValueFacet(name, tuple(distinct[present].tolist()), numbers_of[codes])


def _count_products(codes: NDArray[np.int64], mask: Mask, products: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return for each of `size` codes the number of products that an image in `mask` [n] with the code shows."""
    pairs = np.unique(products[mask] * size + codes[mask])
    return np.bincount(pairs % size, minlength=size)
