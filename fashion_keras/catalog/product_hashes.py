"""Product hashes: which images, and which training data, are the same product.

A hash depends on nothing but the product's own titles and SKUs, so it is the same in every catalog and row order.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.title_rules import normalize_text
from fashion_keras.support.atomic_files import write_text
from fashion_keras.support.errors import InputError

TRAINING_PRODUCTS = "training_products.txt"
_HASH = re.compile(r"[0-9a-f]{16}")


def group_products(skus: Sequence[str], titles: Sequence[str] = (), groups: Sequence[str] = ()) -> NDArray[np.str_]:
    """Return the product [n] str of each image: equal for one SKU, one normalized title or one named group.

    A product is written as 16 hex digits of SHA-256 over its normalized title (the first in the alphabet, should its
    images have several), or over "id:SKU" without a title.

    >>> len(set(group_products(["1", "2", "3"], ["Puma Men  Shoe", "puma men shoe!", ""])))
    2

    Args:
        skus, titles, groups: n texts each, "" where missing; () for none.
    """
    normalized = {title: normalize_text(title) for title in set(titles)}
    keys = [[normalized[title] for title in titles], groups, skus]
    component = _connect([column for column in keys if len(column)] or [()])
    products = component.tolist()
    names: dict[int, str] = {}
    for product, title in zip(products, keys[0], strict=False):
        if title and not names.get(product, title) < title:
            names[product] = title
    untitled: dict[int, str] = {}
    for product, sku in zip(products, skus, strict=True):
        if product not in names:
            untitled[product] = min(untitled.get(product, sku), sku)
    names |= {product: f"id:{sku}" for product, sku in untitled.items()}
    hashes = {product: hashlib.sha256(name.encode()).hexdigest()[:16] for product, name in names.items()}
    return np.array([hashes[product] for product in products], dtype="<U16")


def _connect(columns: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """Return the component [n] of each row: rows with an equal text in any column are connected, but for ""."""
    count, rows, nodes = len(columns[0]), [], []
    last = count
    for column in columns:
        numbers: dict[str, int] = {}
        codes = np.array([numbers.setdefault(text, len(numbers)) for text in column], dtype=np.int64)
        linked = np.flatnonzero(codes != numbers.get("", -1))
        rows.append(linked)
        nodes.append(codes[linked] + last)
        last += len(numbers)
    return _components(np.concatenate(rows), np.concatenate(nodes), last)[:count]


def _components(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the connected component [count] of each node of the graph with the edges first[i] - second[i]."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - help must not wait for it
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def connect_groups(catalog: Catalog, pairs: NDArray[np.int64]) -> Catalog:
    """Return the catalog with the product groups of each pair of rows [m, 2] joined, under the lower hash of them."""
    products, codes = np.unique(catalog.product_groups, return_inverse=True)
    component = _components(codes[pairs[:, 0]], codes[pairs[:, 1]], len(products))
    _, first = np.unique(component, return_index=True)
    return replace(catalog, product_groups=products[first[component]][codes])


def uniform_numbers(hashes: Iterable[str], seed: int, stream: str) -> NDArray[np.float64]:
    """Return [n] float64 in [0, 1): for each hash a random number that depends on hash, seed and stream alone.

    Numbers of different seeds or streams are independent.
    """
    digests = (hashlib.blake2b(f"{seed} {stream} {key}".encode(), digest_size=8).digest() for key in hashes)
    return np.array([int.from_bytes(digest) >> 11 for digest in digests], dtype=np.float64) / 2**53


def is_training_product(catalog: Catalog, training_products: Iterable[str]) -> NDArray[np.bool_]:
    """Return [n] bool: which rows are products that a model was trained on; their sum is the overlap.

    Args:
        catalog: n rows.
        training_products: hashes of the model's training products, as `read_training_products` returns them.
    """
    return np.isin(catalog.product_groups, np.array(sorted(training_products), dtype="<U16"))


def read_training_products(folder: Path) -> frozenset[str]:
    """Return the hashes of the products that the model in `folder` was trained on.

    Raises:
        InputError: when the folder has no training_products.txt, or a line of it is not a product hash.
    """
    path = folder / TRAINING_PRODUCTS
    if not path.is_file():
        raise InputError(f"{path}: no such file; it is not known which products the model was trained on")
    lines = path.read_bytes().decode("ascii", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not _HASH.fullmatch(line):
            raise InputError(f"{path}:{number}: {line[:40]!r} is not a product hash of 16 hex digits")
    return frozenset(lines)


def write_training_products(folder: Path, hashes: Iterable[str]) -> None:
    """Write training_products.txt into a model's folder: the hashes, sorted, each once, one per line."""
    write_text(folder / TRAINING_PRODUCTS, "".join(f"{key}\n" for key in sorted(set(map(str, hashes)))))
