"""Calibration of zero-shot classification: the temperature of cosines, and the cosine of "none of these"."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.product_hashes import uniform_numbers
from fashion_keras.catalog.tasks import get_task
from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.features.text import TextEncoder

_SETS = 8


@dataclass(frozen=True)
class ZeroShotCalibration:
    """Temperature and floor, see `TextSpec`, and how well they do on products that they were not fitted to.

    Each product is asked for with half of all labels; where its own is not offered, "none of these" is right.

    Attributes:
        accuracy: share of right predictions.
        ece: expected calibration error of the confidence.
        coverage, precision: share of the products that get a label, and of these, of right ones; None of none.
    """

    temperature: float
    floor: float
    accuracy: float
    ece: float
    coverage: float
    precision: float | None


def calibrate_on(
    catalog: Catalog, embeddings: NDArray[np.float32], text: TextEncoder, task: str, seed: int
) -> ZeroShotCalibration:
    """Calibrate on half of a catalog's products, with the classes of a task as labels; the other half gives the scores.

    `embeddings` [n, d] are those of the catalog's images.
    """
    targets = get_task(task).encode(catalog.columns)
    known = targets.codes >= 0
    cosines = embeddings[known] @ text.embed([name.lower() for name in targets.classes]).T
    is_fitted = uniform_numbers(catalog.product_groups[known], seed, "calibration") < 0.5
    return calibrate_zero_shot(cosines, targets.codes[known], is_fitted, seed)


def calibrate_zero_shot(
    cosines: NDArray[np.float32], codes: NDArray[np.int64], is_fitted: NDArray[np.bool_], seed: int = 0
) -> ZeroShotCalibration:
    """Fit temperature and floor to products with a known label.

    Args:
        cosines [n, k]: of n images with k labels; codes [n]: the label of each.
        is_fitted [n]: the products to fit to; the others give the scores.
        seed: of the sets of labels that are offered.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - half a second that help must not wait for

    fitted = _offer(cosines[is_fitted], codes[is_fitted], seed)

    def loss(parameters: NDArray[np.float64]) -> float:
        shares = _shares(fitted[0], *_bounded(parameters))
        return float(-np.log(np.maximum(shares[np.arange(len(shares)), fitted[1]], 1e-12)).mean())

    starts = [np.array([np.log(temperature), floor]) for temperature in (0.03, 0.1) for floor in (0.1, 0.3, 0.5)]
    best = min((minimize(loss, start, method="Nelder-Mead") for start in starts), key=lambda result: result.fun)
    temperature, floor = _bounded(best.x)
    offered, right = _offer(cosines[~is_fitted], codes[~is_fitted], seed + 1)
    shares = _shares(offered, temperature, floor)
    predicted, confidence = shares.argmax(axis=1), shares.max(axis=1)
    correct, labeled = predicted == right, predicted < cosines.shape[1]
    return ZeroShotCalibration(
        temperature,
        floor,
        float(correct.mean()),
        expected_calibration_error(confidence, correct),
        float(labeled.mean()),
        float(correct[labeled].mean()) if labeled.any() else None,
    )


def _bounded(parameters: NDArray[np.float64]) -> tuple[float, float]:
    return float(np.exp(np.clip(parameters[0], -6, 1))), float(np.clip(parameters[1], -1, 1))


def _offer(
    cosines: NDArray[np.float32], codes: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cosines [sets x n, k], -inf for labels that are not offered, and the right column; k is none of them."""
    random, classes = np.random.default_rng(seed), cosines.shape[1]
    offered = [random.random((1, classes)) < 0.5 for _ in range(_SETS)]
    masked = [np.where(labels, cosines, -np.inf) for labels in offered]
    right = [np.where(labels[0, codes], codes, classes) for labels in offered]
    return np.concatenate(masked), np.concatenate(right)


def _shares(cosines: NDArray[np.float32], temperature: float, floor: float) -> NDArray[np.float64]:
    from scipy.special import softmax  # noqa: PLC0415

    return softmax(np.hstack([cosines, np.full((len(cosines), 1), floor)]) / temperature, axis=1)
