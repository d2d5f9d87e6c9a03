"""Leaks between the parts of a split: the same product, by SKU, title or image, in two of them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.columns import TITLE
from fashion_keras.catalog.product_hashes import connect_groups
from fashion_keras.catalog.title_rules import normalize_text
from fashion_keras.images.decode import parallel_map
from fashion_keras.images.near_duplicates import near_duplicate_pairs, thumbnail_signature

# Above this many images near-duplicates are not sought in every run: their number of pairs grows with the square.
MAX_COMPARED = 100_000

Integers = NDArray[np.int64]
LeakCounts = dict[str, dict[str, int] | None]


def count_leaks(catalog: Catalog, rows: Mapping[str, Integers]) -> LeakCounts:
    """Count the images of each part whose product is also in the part "train".

    Args:
        catalog: n images.
        rows: part -> its rows.

    Returns:
        same_sku, same_title, near_duplicate -> {part: count}; near_duplicate is None for more than 100,000 images.
    """
    titles = catalog.columns[TITLE].tolist() if TITLE in catalog.columns else [""] * len(catalog)
    counts: LeakCounts = {
        "same_sku": _count_equal(catalog.skus, rows),
        "same_title": _count_equal(np.array([normalize_text(title) for title in titles], dtype=object), rows),
        "near_duplicate": None,
    }
    if len(catalog) <= MAX_COMPARED:
        signatures = signatures_of(catalog)
        train = signatures[rows["train"]]
        counts["near_duplicate"] = {
            part: len(np.unique(near_duplicate_pairs(signatures[tested], train)[:, 0]))
            for part, tested in rows.items()
            if part != "train"
        }
    return counts


def signatures_of(catalog: Catalog) -> NDArray[np.float32]:
    """Return the thumbnails [n, 20, 15, 3] of a catalog's images."""
    return np.stack(parallel_map(thumbnail_signature, catalog.paths.tolist()))


def group_near_duplicates(catalog: Catalog) -> Catalog:
    """Return the catalog with images that are near-duplicates in one product group."""
    return connect_groups(catalog, near_duplicate_pairs(signatures_of(catalog)))


def _count_equal(values: NDArray[np.str_], rows: Mapping[str, Integers]) -> dict[str, int]:
    trained = set(values[rows["train"]].tolist()) - {""}
    return {
        part: sum(value in trained for value in values[tested].tolist())
        for part, tested in rows.items()
        if part != "train"
    }
