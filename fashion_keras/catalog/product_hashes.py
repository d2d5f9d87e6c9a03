"""Product hashes: the identity of a product across catalogues, whatever its row or id."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.csv_reader import TITLE
from fashion_keras.catalog.title_rules import normalize_text


def product_hashes(catalog: Catalog) -> NDArray[np.str_]:
    """Return [n] str, 16 hex digits of the sha256 of each normalized title, or of "id:<id>" where there is none."""
    titles = catalog.columns.get(TITLE, np.full(len(catalog), "")).tolist()
    keys = (normalize_text(title) or f"id:{number}" for number, title in zip(catalog.ids.tolist(), titles, strict=True))
    return np.array([hashlib.sha256(key.encode()).hexdigest()[:16] for key in keys], np.dtype("<U16"))
