"""Scores of a single-label classifier as pure functions of n rows and k classes; what is undefined is NaN."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.intervals import accuracy_interval

FREQUENCIES = ("head", "mid", "tail")


def top_k_accuracy(truth: np.ndarray, probabilities: np.ndarray, k: int = 3) -> float:
    """Return the share of rows of `truth` [n] int whose class is among the k best of `probabilities` [n, classes].

    Ties count against the model: a row is a hit when fewer than k *other* classes score at least as high as its class.
    """
    truth, probabilities = validation.scored(truth, probabilities)
    own = probabilities[np.arange(len(truth)), truth]
    rivals = np.sum(probabilities >= own[:, None], axis=1) - 1
    return float(np.mean(rivals < k))


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count rows by class: int [k, k], where cell [i, j] is the rows of true class i that were predicted as j."""
    truth, predicted = validation.rows(truth=truth, predicted=predicted)
    truth, predicted = validation.codes("truth", truth, classes), validation.codes("predicted", predicted, classes)
    from sklearn import metrics  # noqa: PLC0415 - a second that help must not wait for

    return metrics.confusion_matrix(truth, predicted, labels=np.arange(classes))


def precision_recall_f1(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (precision, recall, f1), each [k], of `confusion` [k, k] int (rows are the truth); NaN where undefined."""
    confusion = np.asarray(confusion)
    return scores_of_counts(np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0))


def scores_of_counts(
    hits: np.ndarray, support: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `precision_recall_f1` of how often each class was hit, true and predicted, each [..., k] int."""
    f1 = validation.ratio(2 * hits, np.where(support > 0, support + predicted, 0))
    return validation.ratio(hits, predicted), validation.ratio(hits, support), f1


def macro_f1(confusion: np.ndarray) -> float:
    """Return the mean F1 of the classes with support in `confusion` [k, k]; NaN when none has any."""
    return validation.mean(precision_recall_f1(confusion)[2])


def ranked_counts(relevant: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (thresholds [t], released [t] int, hits [t] int) of `relevant` [n] bool ranked by `scores` [n] float.

    thresholds are the distinct scores, highest first: `released` rows score at least as high, `hits` of them relevant.
    """
    relevant, scores = validation.rows(relevant=relevant, scores=scores)
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return ranked[last_of_tie], last_of_tie + 1, np.cumsum(relevant[order].astype(bool))[last_of_tie]


def precision_recall_curve(relevant: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (precision [t+1], recall [t+1], thresholds [t]) of `relevant` [n] bool ranked by `scores` [n] float.

    As scikit-learn's, but recall is NaN when nothing is relevant (1 there).
    """
    from sklearn import metrics  # noqa: PLC0415 - a second that help must not wait for

    relevant, scores = validation.rows(relevant=relevant, scores=scores)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No positive class found")
        precision, recall, thresholds = metrics.precision_recall_curve(relevant.astype(bool), scores)
    if not relevant.any():
        recall[:-1] = np.nan
    return precision, recall, thresholds


def average_precision(relevant: np.ndarray, scores: np.ndarray) -> float:
    """Return the step-wise area under the precision-recall curve of `relevant` [n] bool ranked by `scores` [n] float.

    Tied scores enter together; NaN when nothing is relevant (0 in scikit-learn).
    """
    # Not by scikit-learn, whose checks cost ten times as much: 1,000 classes are ranked one after the other.
    _, released, hits = ranked_counts(relevant, scores)
    if not hits[-1]:
        return float("nan")
    return float(np.sum(np.diff(hits, prepend=0) * (hits / released)) / hits[-1])


def micro_average_precision(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the average precision (li2020) over all n x k (row, class) pairs of `probabilities` [n, k] together."""
    truth, probabilities = validation.scored(truth, probabilities)
    return average_precision((truth[:, None] == np.arange(probabilities.shape[1])).ravel(), probabilities.ravel())


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Return the mean gap, in 0..1, between `confidence` [n] float in 0..1 and how often it was `correct` [n] bool.

    Equal-width bins (low, high], weighted by their rows (Guo et al. 2017, arXiv:1706.04599); 0 is in the first.
    """
    confidence, correct = validation.rows(confidence=confidence, correct=correct)
    gaps = np.bincount(confidence_bins(confidence, bins), weights=confidence - correct)
    return float(np.abs(gaps).sum() / len(confidence))


def confidence_bins(confidence: np.ndarray, bins: int = 15) -> np.ndarray:
    """Return the bin [n] int in 0..bins-1 of `confidence` [n], as `expected_calibration_error` has them."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], validation.unit("confidence", confidence))


def head_mid_tail(support_train: np.ndarray) -> list[str]:
    """Name each class of `support_train` [k] int (training images per class) "head", "mid" or "tail".

    Classes are ranked by size, ties by index. By the share of all training images *before* a class: head below 50 %,
    tail from 80 % on, mid between. Empty classes are tail.
    """
    (sizes,) = validation.rows(support_train=np.asarray(support_train, dtype=np.int64))
    order = np.argsort(-sizes, kind="stable")
    before = np.empty_like(sizes)
    before[order] = np.cumsum(sizes[order]) - sizes[order]
    # Whole numbers, so that exactly 50 % and 80 % do not depend on rounding.
    zone = (2 * before >= sizes.sum()).astype(int) + (5 * before >= 4 * sizes.sum())
    return [FREQUENCIES[place] for place in zone]


def most_confident_mistakes(truth: np.ndarray, probabilities: np.ndarray, count: int) -> np.ndarray:
    """Return int [m], m <= count: the wrongly predicted rows, most confident first, ties by row."""
    truth, probabilities = validation.scored(truth, probabilities)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:count]


def summary(
    truth: np.ndarray, probabilities: np.ndarray, product_groups: np.ndarray | None = None
) -> dict[str, float | list[float]]:
    """Return the headline scores of `probabilities` [n, k], ready for JSON; intervals resample `product_groups` [n]."""
    truth, probabilities = validation.scored(truth, probabilities)
    predicted = probabilities.argmax(axis=1)
    correct = predicted == truth
    return {
        "accuracy": float(np.mean(correct)),
        "accuracy_ci95": list(accuracy_interval(correct, product_groups)),
        "top_3": top_k_accuracy(truth, probabilities, k=3),
        "macro_f1": macro_f1(confusion_matrix(truth, predicted, probabilities.shape[1])),
        "micro_average_precision": micro_average_precision(truth, probabilities),
        "ece": expected_calibration_error(probabilities.max(axis=1), correct),
    }


def by_class_frequency(rows: Sequence[dict]) -> dict[str, dict[str, int | float | None]]:
    """Return, for head, mid and tail of the rows of per_label: classes, support, mean recall and mean F1."""
    zones = {zone: [row for row in rows if row["frequency"] == zone] for zone in FREQUENCIES}
    return {
        zone: {
            "classes": len(own),
            "support": sum(row["support"] for row in own),
            "balanced_accuracy": validation.mean_or_none([row["recall"] for row in own]),
            "macro_f1": validation.mean_or_none([row["f1"] for row in own]),
        }
        for zone, own in zones.items()
    }


def cumulative_maximum(probabilities: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Return the highest probability [p, k] of each class over a product's images; `products` [n] int in 0..p-1."""
    highest = np.zeros((products.max() + 1, probabilities.shape[1]))
    np.maximum.at(highest, products, probabilities)
    return highest


def mean_probability(probabilities: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Return the mean probability [p, k] of each class over a product's images; see `cumulative_maximum`."""
    sums = np.zeros((products.max() + 1, probabilities.shape[1]))
    np.add.at(sums, products, probabilities)
    return sums / np.bincount(products)[:, None]


def per_product(truth: np.ndarray, probabilities: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Return accuracies per image and per product of `truth` [n] and `probabilities` [n, k], ready for JSON.

    `groups` [n] int: which images show one product. all: of products whose images agree in their label; several_images:
    of those among them with two images or more; mixed: products whose images disagree, which are left out. all and
    several_images hold products, images, per_image, cumulative_maximum, mean_probability, each of the last three
    {accuracy, accuracy_ci95}, or None where there is no such product. All intervals resample products.
    """
    truth, probabilities = validation.scored(truth, probabilities)
    _, first, products = np.unique(groups, return_index=True, return_inverse=True)
    agreeing = np.bincount(products, truth != truth[first][products]) == 0
    sizes = np.bincount(products)
    return {
        "products": len(sizes),
        "images": len(truth),
        "mixed": {"products": int((~agreeing).sum()), "images": int(sizes[~agreeing].sum())},
        "all": _product_scores(truth, probabilities, products, agreeing),
        "several_images": _product_scores(truth, probabilities, products, agreeing & (sizes > 1)),
    }


def _product_scores(
    truth: np.ndarray, probabilities: np.ndarray, products: np.ndarray, chosen: np.ndarray
) -> dict[str, Any]:
    """Return the accuracies of the products chosen [p] bool."""
    rows = chosen[products]
    counts = {"products": int(chosen.sum()), "images": int(rows.sum())}
    if not rows.any():
        return counts | {"per_image": None, "cumulative_maximum": None, "mean_probability": None}
    truth, probabilities = truth[rows], probabilities[rows]
    _, first, products = np.unique(products[rows], return_index=True, return_inverse=True)
    correct = probabilities.argmax(axis=1) == truth
    interval = list(accuracy_interval(correct, products))
    scores = {"per_image": {"accuracy": float(correct.mean()), "accuracy_ci95": interval}}
    for rule in (cumulative_maximum, mean_probability):
        correct = rule(probabilities, products).argmax(axis=1) == truth[first]
        scores[rule.__name__] = {"accuracy": float(correct.mean()), "accuracy_ci95": list(accuracy_interval(correct))}
    return counts | scores
