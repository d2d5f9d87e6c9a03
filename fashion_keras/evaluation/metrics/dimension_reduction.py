"""Vectors on paper: two numbers for each, so that what an encoder finds alike lies close."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError, unknown_name_error

METHODS = ("pca", "tsne")
_PERPLEXITY = 30


@dataclass(frozen=True)
class Projection:
    """Where n vectors lie on paper.

    Attributes:
        places [n, 2] float64: across and up.
        kept: share of the vectors' variance along the two; None for t-SNE, whose distances are no measure.
    """

    places: NDArray[np.float64]
    kept: float | None


def project(vectors: NDArray[np.float32], method: str = "pca", seed: int = 0) -> Projection:
    """Lay `vectors` [n, d] of unit norm out on paper.

    Args:
        vectors: at least 3 of them, not all equal.
        method: "pca": along the two directions in which they vary most; "tsne": so that neighbours stay neighbours (van
            der Maaten & Hinton 2008, JMLR 9), by cosine, begun with the principal components.
        seed: of t-SNE.

    Raises:
        InputError: for an unknown method, too few vectors, or vectors that do not vary.
    """
    if method not in METHODS:
        raise unknown_name_error("method", method, METHODS)
    if len(vectors) < 3:
        raise InputError(f"a map needs at least 3 products, not {len(vectors)}")
    if not np.ptp(vectors, axis=0).any():
        raise InputError(f"the vectors of all {len(vectors)} products are equal: there is nothing to map")
    # Imported here: a second and a half that help must not wait for.
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.manifold import TSNE  # noqa: PLC0415

    if method == "pca":
        axes = PCA(2, random_state=seed)
        places = axes.fit_transform(vectors.astype(np.float64))
        return Projection(places, float(axes.explained_variance_ratio_.sum()))
    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    places = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=seed).fit_transform(vectors)
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
