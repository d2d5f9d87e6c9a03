"""Leakage check: which evaluation products the encoder was trained on."""

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.product_hashes import is_training_product


def evaluation_overlap(
    catalog: Catalog, rows: NDArray[np.int64], training_products: frozenset[str]
) -> NDArray[np.bool_]:
    """Return [m] bool: which of the evaluation `rows` [m] of a catalogue show products that an encoder was trained on.

    `training_products` are hashes, as `encoder_training_products` returns them.
    """
    return is_training_product(catalog.take(rows), training_products)


def leakage_warning(encoder: str, trained: NDArray[np.bool_]) -> str:
    """Return a warning when an encoder was trained on evaluation products, `trained` [m] bool; else ""."""
    if not trained.any():
        return ""
    return (
        f"{encoder} was trained on {trained.sum()} of the {len(trained)} validation and test images, so all scores are "
        f"too high; leave them out with --exclude-trained"
    )
