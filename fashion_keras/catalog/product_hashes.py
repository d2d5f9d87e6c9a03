"""Product identity: a hash of the normalized title, or of the id, that no other row changes."""

import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.csv_reader import TITLE

TRAINING_PRODUCTS = "training_products.txt"


def product_hashes(catalog: Catalog) -> NDArray[np.str_]:
    """Return [n] str: 16 hexadecimal digits for each row, equal for images of one product."""
    titles = catalog.columns.get(TITLE, np.full(len(catalog), ""))
    texts = (re.sub(r"[\W_]+", " ", str(title).casefold()).strip() for title in titles)
    keys = (text or f"id:{product}" for text, product in zip(texts, catalog.ids, strict=True))
    return np.array([hashlib.sha256(key.encode()).hexdigest()[:16] for key in keys], dtype="U16")


def read_training_products(folder: Path) -> frozenset[str]:
    """Return the product hashes in the training_products.txt of a model folder; none where it has no such file."""
    path = Path(folder) / TRAINING_PRODUCTS
    return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else frozenset()
