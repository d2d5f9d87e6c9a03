"""Leakage check: which evaluation products the encoder was trained on."""

import numpy as np
from numpy.typing import NDArray


def leakage_warning(encoder: str, trained: NDArray[np.bool_]) -> str:
    """Return a warning when an encoder was trained on evaluation products, `trained` [m] bool; else ""."""
    if not trained.any():
        return ""
    return (
        f"{encoder} was trained on {trained.sum()} of the {len(trained)} validation and test images, so all scores are "
        f"too high; leave them out with --exclude-trained"
    )
