"""Paired differences of two classifiers on the same images, with bootstrap intervals that resample products."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.classification import scores_of_counts
from fashion_keras.evaluation.metrics.intervals import bootstrap_interval
from fashion_keras.support.errors import InputError

DRAWS = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Difference of a score, second minus first, and its 95 % interval; None where it is undefined in every resample.

    Both classifiers are resampled together, so that what they have in common does not widen the interval.
    """

    value: float
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def mean_difference(first: ArrayLike, second: ArrayLike, product_groups: ArrayLike, seed: int = 0) -> Difference:
    """Return the difference of two means: of `first` and `second` [n] float, for example whether each image is right.

    Rows with an equal entry in `product_groups` [n] show one product, and are drawn together.
    """
    first, second = validation.rows(first=first, second=second)
    changes = second.astype(np.float64) - first.astype(np.float64)
    counted = np.column_stack([changes, np.ones(len(changes))])
    interval = bootstrap_interval(counted, lambda sums: sums[:, 0] / sums[:, 1], product_groups, draws=DRAWS, seed=seed)
    return Difference(float(changes.mean()), interval)


def macro_f1_difference(
    truth: ArrayLike, first: ArrayLike, second: ArrayLike, classes: int, product_groups: ArrayLike, seed: int = 0
) -> Difference:
    """Return the difference of macro F1 of two predictions `first`, `second` [n] int for `truth` [n] int.

    As `classification.macro_f1`, over the classes with images, in each resample those that are drawn.
    """
    truth, first, second = validation.rows(truth=truth, first=first, second=second)
    if max(truth.max(), first.max(), second.max()) >= classes:
        raise InputError(f"truth and predictions must be whole numbers in 0..{classes - 1}")
    one_hot = np.eye(classes)
    counted = np.hstack([_f1_counts(truth, predicted, one_hot) for predicted in (first, second)])

    def difference(sums: Floats) -> Floats:
        before, after = np.split(sums, 2, axis=1)
        return _macro_f1(after) - _macro_f1(before)

    value = float(difference(counted.sum(axis=0, keepdims=True))[0])
    return Difference(value, bootstrap_interval(counted, difference, product_groups, draws=DRAWS // 2, seed=seed))


def product_changes(first: ArrayLike, second: ArrayLike, product_groups: ArrayLike) -> NDArray[np.int64]:
    """Return [n] int: how many more images of each row's product `second` than `first` [n] bool predicts right.

    >>> product_changes([True, False, True], [False, True, False], ["a", "a", "b"]).tolist()
    [0, 0, -1]
    """
    first, second = validation.rows(first=first, second=second)
    _, products = np.unique(np.asarray(product_groups), return_inverse=True)
    return np.bincount(products, second.astype(int) - first.astype(int)).astype(np.int64)[products]


def _f1_counts(truth: NDArray[np.int64], predicted: NDArray[np.int64], one_hot: Floats) -> Floats:
    """Return [n, 3k]: whether each class is hit, true and predicted in a row."""
    return np.hstack([one_hot[truth] * one_hot[predicted], one_hot[truth], one_hot[predicted]])


def _macro_f1(sums: Floats) -> Floats:
    """Return macro F1 [draws] of sums [draws, 3k]."""
    hits, support, predicted = np.split(sums, 3, axis=1)
    return validation.row_means(scores_of_counts(hits, support, predicted)[2])
