"""Shift of embeddings: samples of both sides, outliers by their nearest neighbor, near-duplicates of the reference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.sampling import subsample
from fashion_keras.evaluation.metrics.intervals import accuracy_interval, clopper_pearson_interval
from fashion_keras.images.near_duplicates import NEAR_DUPLICATE_COSINE, is_near_duplicate
from fashion_keras.monitoring.measurement import require_products
from fashion_keras.monitoring.side import Block, DriftSide, Texts
from fashion_keras.support.progress import ProgressBar

_QUANTILE = 0.95  # of the reference, beyond which a product counts as an outlier
_QUERIES = 1024  # compared with a block at a time

Floats, Mask, Rows = NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Images of a side drawn at random, whole products: products [m], embeddings [m, d], thumbnails or None."""

    products: Texts
    embeddings: Floats
    signatures: NDArray[np.uint8] | None

    def first_rows(self, limit: int) -> Rows:
        """Return a row of each product, at most `limit`: products are named by hashes, so the first are random."""
        return np.unique(self.products, return_index=True)[1][:limit]


@dataclass(frozen=True)
class OutlierShare:
    """Share of new products that are farther out than 95 % of the reference products.

    Attributes:
        share, share_ci95: with its exact interval (Clopper & Pearson 1934); 0.05 without drift.
        threshold: 95th percentile of the reference.
        by: "outlier_score", or "nearest_distance": 1 less the cosine to the nearest reference image of another product.
        reference, new: products.
    """

    share: float
    share_ci95: tuple[float, float]
    threshold: float
    by: str
    reference: int
    new: int


@dataclass(frozen=True)
class DuplicateShare:
    """Share of the new images that are near-duplicates of a reference image.

    Attributes:
        share, share_ci95: of `images` drawn at random; products are resampled.
        by: "thumbnails", or "cosine": of embeddings, at least 0.99, where a side has no thumbnails.
        shared_products: products that are on both sides.
    """

    share: float
    share_ci95: tuple[float, float]
    by: str
    images: int
    shared_products: int


@dataclass(frozen=True)
class Neighbors:
    """Comparison with all reference images: `nearest` cosine [q] to one of another product, `is_duplicate` [q]."""

    nearest: Floats
    is_duplicate: Mask


def draw_sample(side: DriftSide, limit: int, seed: int) -> Sample:
    """Return about `limit` images of a side."""
    is_small = limit >= len(side)
    rows = np.arange(len(side)) if is_small else subsample(np.zeros(len(side), int), side.products, limit, seed)
    block = side.gather(rows)
    return Sample(side.products[rows], block.embeddings, block.signatures)


def search_reference(reference: DriftSide, samples: list[Sample]) -> list[Neighbors]:
    """Compare the images of samples with all images of the reference, block by block."""
    results = [
        Neighbors(np.full(len(each.products), -1, np.float32), np.zeros(len(each.products), bool)) for each in samples
    ]
    names, codes = np.unique(reference.products, return_inverse=True)
    own = [np.where(np.isin(each.products, names), np.searchsorted(names, each.products), -1) for each in samples]
    with ProgressBar("comparing with the reference", len(reference), "images") as bar:
        for block in reference.blocks():
            block_codes = codes[block.start : block.start + len(block.embeddings)]
            for sample, sample_codes, result in zip(samples, own, results, strict=True):
                for start in range(0, len(sample_codes), _QUERIES):
                    part = slice(start, start + _QUERIES)
                    cosines = sample.embeddings[part] @ block.embeddings.T
                    best = cosines.max(axis=1)
                    result.is_duplicate[part] |= _duplicates(cosines, best, sample, part, block)
                    _leave_own_products_out(cosines, best, sample_codes[part], block_codes)
                    np.maximum(result.nearest[part], best, out=result.nearest[part])
            bar.advance(len(block.embeddings))
    return results


def _duplicates(cosines: Floats, best: Floats, sample: Sample, part: slice, block: Block) -> Mask:
    """Return [q]: whether each image of a part of a sample is a near-duplicate of one of a block.

    `cosines` [q, m] of both, `best` [q] the highest of each row.
    """
    is_duplicate = best >= NEAR_DUPLICATE_COSINE
    if sample.signatures is None or block.signatures is None:
        return is_duplicate
    first = sample.signatures[part]
    for row in np.flatnonzero(is_duplicate).tolist():
        others = block.signatures[cosines[row] >= NEAR_DUPLICATE_COSINE].astype(np.float32)
        is_duplicate[row] = any(is_near_duplicate(first[row].astype(np.float32), other) for other in others)
    return is_duplicate


def _leave_own_products_out(cosines: Floats, best: Floats, sample_codes: Rows, block_codes: Rows) -> None:
    """Change `best` [q], the row maxima of `cosines` [q, m], to those over images of other products.

    Only columns of products that are in the sample are compared: few, where both sides are large.
    """
    shared = np.flatnonzero(np.isin(block_codes, sample_codes))
    rows, columns = np.nonzero(sample_codes[:, None] == block_codes[shared])
    cosines[rows, shared[columns]] = -1
    changed = np.unique(rows)
    best[changed] = cosines[changed].max(axis=1)


def outliers_by_distance(reference: Sample, new: Sample, of_reference: Neighbors, of_new: Neighbors) -> OutlierShare:
    """Return the share of outliers by the distance to the nearest reference image; see `outlier_share`."""
    distances = [
        1 - neighbors.nearest[sample.first_rows(len(sample.products))]
        for sample, neighbors in ((reference, of_reference), (new, of_new))
    ]
    return outlier_share(*distances, by="nearest_distance")


def outlier_share(reference: Floats, new: Floats, by: str) -> OutlierShare:
    """Return the share of new products whose score is above the reference's 95th percentile.

    `reference` [m], `new` [n]: a score of each product, higher farther out. NotMeasuredError with fewer than
    MIN_PRODUCTS products of either.
    """
    require_products(len(reference), len(new))
    threshold = np.quantile(reference, _QUANTILE)
    hits = int((new > threshold).sum())
    interval = clopper_pearson_interval(hits, len(new)).tolist()
    return OutlierShare(hits / len(new), tuple(interval), float(threshold), by, len(reference), len(new))


def duplicate_share(new: Sample, neighbors: Neighbors, by: str, shared_products: int, seed: int) -> DuplicateShare:
    """Return the share of near-duplicates in a sample that was compared with the reference."""
    is_duplicate = neighbors.is_duplicate
    interval = accuracy_interval(is_duplicate, new.products, seed=seed)
    return DuplicateShare(float(is_duplicate.mean()), interval, by, len(is_duplicate), shared_products)
