"""Product hashes: which rows, and which training data, are the same product."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.support.atomic_files import write_text


def product_hashes(catalog: Catalog) -> NDArray[np.str_]:
    """Return [n] str: 16 hex digits of SHA-256 over each row's title, or over "id:ID" without a title."""
    titles = catalog.columns.get("product_display_name", np.full(len(catalog), ""))
    keys = (" ".join(title.lower().split()) or f"id:{key}" for title, key in zip(titles, catalog.ids, strict=True))
    return np.array([hashlib.sha256(key.encode()).hexdigest()[:16] for key in keys], dtype="<U16")


def write_training_products(folder: Path, hashes: Iterable[str]) -> None:
    """Write training_products.txt into a model's folder: the hashes, sorted, each once, one per line."""
    write_text(folder / "training_products.txt", "".join(f"{key}\n" for key in sorted(set(map(str, hashes)))))
