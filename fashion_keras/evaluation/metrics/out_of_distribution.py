"""Out-of-distribution scores [n], higher = more like the training data, and how well they separate outliers."""

from dataclasses import dataclass

import numpy as np

from fashion_keras.evaluation.metrics import retrieval, validation
from fashion_keras.evaluation.metrics.calibration import log_sum_exp
from fashion_keras.support.errors import InputError


def maximum_softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return [n]: the largest softmax probability of `logits` [n, k] / `temperature` (arXiv:1610.02136), in float64."""
    logits = _scaled_logits(logits, temperature)
    return np.exp(logits.max(axis=1) - log_sum_exp(logits))


def energy(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return [n] float64: T log sum exp(`logits` [n, k] / T) (Liu et al. 2020, arXiv:2010.03759, eq. 4: T = 1)."""
    return temperature * log_sum_exp(_scaled_logits(logits, temperature))


def neighbor_similarity(train: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """Return [n]: the cosine of `features` [n, d] with their k-th nearest of `train` [m, d] (arXiv:2204.06507)."""
    farthest = retrieval.nearest(train, k, features)[:, -1]
    return np.einsum("ij,ij->i", np.asarray(features, np.float64), np.asarray(train, np.float64)[farthest])


@dataclass(frozen=True)
class ClassGaussians:
    """One Gaussian per class: means [c, d], and W [d, d] with W W^T = the inverse of the covariance that they share."""

    means: np.ndarray
    whitening: np.ndarray


def fit_gaussians(train: np.ndarray, codes: np.ndarray, shrinkage: float = 0.01) -> ClassGaussians:
    """Fit the class means and the shared covariance of `train` [m, d] float with classes `codes` [m] int.

    Lee et al. 2018, arXiv:1807.03888, eq. 1; here with a little shrinkage, since the covariance has no inverse where d
    is near m or directions are unused. Outliers show in the directions that vary least.
    """
    if not 0 <= shrinkage <= 1:
        raise InputError(f"shrinkage must be in 0..1, got {shrinkage:g}")
    codes, train = validation.rows(codes=codes)[0], _matrix("train", train)
    if len(codes) != len(train) or not np.issubdtype(codes.dtype, np.integer) or codes.min() < 0:
        raise InputError(f"need the class, a whole number from 0 on, of each of {len(train)} training rows")
    _, places, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    means = np.zeros((len(sizes), train.shape[1]))
    np.add.at(means, places, train)
    means /= sizes[:, None]
    centered = train - means[places]
    covariance = centered.T @ centered / len(train)
    average = np.trace(covariance) / len(covariance)
    values, axes = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * average * np.eye(len(covariance)))
    if values[0] <= 1e-12 * values[-1]:
        raise InputError("the covariance within classes has no inverse; give more rows or more shrinkage")
    return ClassGaussians(means, axes / np.sqrt(values))


def mahalanobis(gaussians: ClassGaussians, features: np.ndarray) -> np.ndarray:
    """Return [n]: minus the squared Mahalanobis distance of `features` [n, d] to the nearest class mean."""
    features = _matrix("features", features)
    if features.shape[1] != gaussians.means.shape[1]:
        raise InputError(f"features have {features.shape[1]} dimensions, the training rows {gaussians.means.shape[1]}")
    points, centers = features @ gaussians.whitening, gaussians.means @ gaussians.whitening
    squared = np.sum(points**2, axis=1)[:, None] - 2 * points @ centers.T + np.sum(centers**2, axis=1)
    return -np.maximum(squared.min(axis=1), 0)  # rounding may take a distance below 0


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return the area under the ROC curve in 0..1: 0.5 is chance, 1 separates both sets; a tie counts half."""
    (inside,), (outside,) = validation.rows(inside=inside), validation.rows(outside=outside)
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - a second that help must not wait for

    belongs = np.repeat([True, False], [len(inside), len(outside)])
    return float(roc_auc_score(belongs, np.concatenate([inside, outside])))


def false_positives_at_95(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return the share of outliers at or above the highest threshold that lets at least 95 % of the others through."""
    (inside,), (outside,) = validation.rows(inside=inside), validation.rows(outside=outside)
    needed = -(-95 * len(inside) // 100)  # whole numbers, so that exactly 95 % does not depend on rounding
    return float(np.mean(outside >= np.sort(inside)[-needed]))


def mean_threshold_errors(
    confidence: np.ndarray, correct: np.ndarray, outlier_confidence: np.ndarray, rejected: int = 0
) -> dict[str, float | int]:
    """Return a row of Table 4 of gutierrez2019: what a threshold at the mean confidence lets through.

    `confidence` [n] in 0..1 and `correct` [n] bool are of images that belong, `outlier_confidence` [m], m >= 0, of
    outliers, whose every label is an error; `rejected` images were refused before the classifier. The shares are of the
    released, coverage is of all images.
    """
    confidence, correct = validation.rows(confidence=confidence, correct=correct)
    outliers = np.ravel(outlier_confidence)
    (everything,) = validation.rows(confidence=np.concatenate([confidence, outliers]).astype(np.float64))
    wrong = np.concatenate([np.logical_not(correct), np.ones(len(outliers), dtype=bool)])
    # Rounding may take the mean of equal values above them.
    mean = min(validation.unit("confidence", everything).mean(), everything.max())
    released = everything >= mean
    parts = released, released & wrong, released[len(correct) :]
    count, errors, outlier_errors = (int(np.sum(part)) for part in parts)
    return {
        "mean_confidence": float(mean),
        "released": count,
        "errors": errors,
        "error_share": errors / count,
        "outlier_errors": outlier_errors,
        "outlier_error_share": outlier_errors / count,
        "coverage": count / (len(everything) + rejected),
    }


def _scaled_logits(logits: np.ndarray, temperature: float) -> np.ndarray:
    if not temperature > 0:
        raise InputError(f"temperature must be above 0, got {temperature:g}")
    return _matrix("logits", logits) / temperature


def _matrix(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise InputError(f"{name} must be finite and have shape (rows, columns), at least one of each: {values.shape}")
    return values
