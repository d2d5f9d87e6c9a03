"""Product hashes: which rows, and which training data, are the same product.

A hash depends on nothing but the product's own title (or id), so it is the same in every catalog and row order.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.csv_reader import TITLE
from fashion_keras.catalog.title_rules import normalize_text
from fashion_keras.support.atomic_files import write_text
from fashion_keras.support.errors import InputError

TRAINING_PRODUCTS = "training_products.txt"
_HASH = re.compile(r"[0-9a-f]{16}")


def group_by_title(titles: Iterable[str]) -> NDArray[np.int64]:
    """Number the titles [n] in order of appearance; equal normalized titles share a number, empty ones never do.

    >>> group_by_title(["Puma Men  Shoe", "puma men shoe!", "", ""]).tolist()
    [0, 0, 1, 2]
    """
    numbers: dict[object, int] = {}
    keys = (normalize_text(title) or row for row, title in enumerate(titles))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def product_hashes(catalog: Catalog) -> NDArray[np.str_]:
    """Return [n] str: 16 hex digits of SHA-256 over each row's normalized title, or over "id:ID" without a title.

    Rows of one product have the same hash, whatever other rows there are.
    """
    titles = catalog.columns[TITLE].tolist() if TITLE in catalog.columns else [""] * len(catalog)
    keys = (normalize_text(title) or f"id:{key}" for title, key in zip(titles, catalog.ids.tolist(), strict=True))
    return np.array([hashlib.sha256(key.encode()).hexdigest()[:16] for key in keys], dtype="<U16")


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
    return np.isin(product_hashes(catalog), np.array(sorted(training_products), dtype="<U16"))


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
