"""Dimension reduction: features in two dimensions, by principal components or t-SNE."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError, unknown_name_error

METHODS = ("pca", "tsne")
_PERPLEXITY = 30


@dataclass(frozen=True)
class Projection:
    """Two-dimensional coordinates of n products.

    Attributes:
        places [n, 2] float64: coordinates, horizontal and vertical.
        explained_variance: share of the features' variance along the two; None for t-SNE, whose distances are not to
            scale.
    """

    places: NDArray[np.float64]
    explained_variance: float | None


def project(features: NDArray[np.float32], method: str = "pca", seed: int = 0) -> Projection:
    """Project `features` [n, d] of unit norm to two dimensions.

    Args:
        features: at least 3 rows, not all equal.
        method: "pca": the two directions of largest variance; "tsne": neighbors stay neighbors (van der Maaten & Hinton
            2008, JMLR 9), by cosine, initialized with the principal components.
        seed: of t-SNE.

    Raises:
        InputError: for an unknown method, too few rows, or rows that do not vary.
    """
    if method not in METHODS:
        raise unknown_name_error("method", method, METHODS)
    if len(features) < 3:
        raise InputError(f"a map needs at least 3 products, not {len(features)}")
    if not np.ptp(features, axis=0).any():
        raise InputError(f"the features of all {len(features)} products are equal: there is nothing to map")
    # Imported here: a second and a half that help must not wait for.
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.manifold import TSNE  # noqa: PLC0415

    if method == "pca":
        axes = PCA(2, random_state=seed)
        places = axes.fit_transform(features.astype(np.float64))
        return Projection(places, float(axes.explained_variance_ratio_.sum()))
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    places = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=seed).fit_transform(features)
    return Projection(places.astype(np.float64), None)


def non_overlapping(places: NDArray[np.float64], width: float, height: float, count: int, seed: int = 0) -> list[int]:
    """Return up to `count` rows of `places` [n, 2], in random order, on which boxes of that size do not overlap."""
    chosen: list[int] = []
    for row in np.random.default_rng(seed).permutation(len(places)).tolist():
        if len(chosen) == count:
            break
        if not (np.abs(places[chosen] - places[row]) < (width, height)).all(axis=1).any():
            chosen.append(row)
    return chosen
