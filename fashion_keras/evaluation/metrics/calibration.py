"""Confidence that means what it says: temperatures fitted on validation, reliability, the Brier score.

Shapes: n rows, k classes or labels. The calibration error itself is metrics.expected_calibration_error: of a class,
give it the confidence of each prediction and whether it was right; of labels, the scores and targets of known cells.
Input that cannot be scored raises InputError, a ValueError.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from fashion_keras.evaluation.metrics import classification, validation
from fashion_keras.support.errors import InputError, unknown_name_error

COLDEST, HOTTEST = 0.05, 20.0


def fit_temperature(logits: np.ndarray, truth: np.ndarray, known: np.ndarray) -> float:
    """Return the T > 0 that softmax(logits / T) explains `truth` best with: the least mean -log p of the true class.

    `logits` [n, k] float and `truth` [n] int of validation; rows that are not `known` [n] bool are left out. Accuracy
    is not touched, T keeps the order (Guo et al. 2017, arXiv:1706.04599, section 4.2). T is sought in 0.05..20: near
    the low end all rows were right, at the high end the logits say nothing or worse; 1 where no T is better than 1.
    Raises InputError when no row is known.

    >>> logits, truth = np.array([[2.0, 0.0]] * 4), np.array([0, 0, 0, 1])
    >>> round(fit_temperature(logits, truth, truth >= 0), 4)  # softmax gives 3/4 when 2 / T = log 3
    1.8205
    """
    logits, truth, known = np.asarray(logits), np.asarray(truth), np.asarray(known, dtype=bool)
    if not known.shape == truth.shape == logits.shape[:1] or not known.any():
        raise InputError(
            f"need a truth for each row of logits, and one that is known; "
            f"got logits {logits.shape}, truth {truth.shape}, known {known.shape} with {known.sum()} rows"
        )
    truth, logits = validation.scored(truth[known], logits[known], name="logits")
    own = logits[np.arange(len(truth)), truth]
    return _minimise(lambda factor: np.mean(log_sum_exp(logits * factor) - own * factor))


def fit_sigmoid_temperature(logits: np.ndarray, targets: np.ndarray, known: np.ndarray) -> float:
    """Return the T > 0 that sigmoid(logits / T) explains `targets` best with: the least mean -log p over known cells.

    `logits` [n, k] float, `targets` [n, k] in {0, 1}, `known` [n, k] bool. The limits are those of fit_temperature,
    whose method this is with a sigmoid. Raises InputError when no cell is known.
    """
    positive, known = validation.cells(targets, known)
    logits = validation.table("logits", logits, known.shape)[known].astype(np.float64)
    if not len(logits):
        raise InputError("no known target to fit a temperature on")
    towards = np.where(positive[known], logits, -logits)
    return _minimise(lambda factor: np.mean(np.logaddexp(0, -towards * factor)))


def fit_group_temperatures(
    logits: np.ndarray,
    targets: np.ndarray,
    known: np.ndarray,
    groups: Mapping[str, Sequence[int]],
    exclusive: Collection[str],
) -> dict[str, float]:
    """Return group -> T, one temperature for the labels (column numbers) of each of `groups`.

    `logits` [n, k] float, `targets` [n, k] in {0, 1}, `known` [n, k] bool. The groups named in `exclusive` take one
    label each: their logits go through a softmax, and only rows that know all their labels and have exactly one count.
    The others go through sigmoids. Raises InputError for a group without such a row or cell, and an unknown name.
    """
    positive, known = validation.cells(targets, known)
    logits = validation.table("logits", logits, known.shape)
    for name in exclusive:
        if name not in groups:
            raise unknown_name_error("group of labels", name, groups)
    parts = {name: np.s_[:, columns] for name, columns in validation.groups(groups, known.shape[1]).items()}
    return {
        name: _group_temperature(name, logits[part], positive[part], known[part], name in exclusive)
        for name, part in parts.items()
    }


def reliability(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rows [bins] int, confidence [bins], accuracy [bins]) of `confidence` [n] in 0..1 and `correct` [n] bool.

    The mean confidence and the share of correct rows within each bin of metrics.expected_calibration_error, which is
    the mean gap between the two; NaN in an empty bin (Guo et al. 2017, fig. 1).

    >>> [column.tolist() for column in reliability(np.array([0.5, 0.25, 1.0]), np.array([True, False, True]), bins=2)]
    [[2, 1], [0.375, 1.0], [0.5, 1.0]]
    """
    confidence, correct = validation.rows(confidence=confidence, correct=correct)
    places = classification.confidence_bins(confidence, bins)
    rows, sums, hits = (np.bincount(places, weights, minlength=bins) for weights in (None, confidence, correct))
    return rows, validation.ratio(sums, rows), validation.ratio(hits, rows)


def brier(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean over rows of the squared error of `probabilities` [n, k] in 0..1, summed over all k classes.

    The true class, `truth` [n] int, should have 1 and the others 0: 0 is perfect, 2 is sure and always wrong
    (Brier 1950).

    >>> round(brier(np.array([[0.5, 0.3, 0.2]]), np.array([0])), 2)  # 0.25 + 0.09 + 0.04
    0.38
    """
    truth, probabilities = validation.scored(truth, probabilities)
    wanted = np.arange(probabilities.shape[1]) == truth[:, None]
    return float(np.mean(np.sum((validation.unit("probabilities", probabilities) - wanted) ** 2, axis=1)))


def binary_brier(probability: np.ndarray, positive: np.ndarray) -> float:
    """Return the mean of (`probability` [n] in 0..1 - `positive` [n] bool)^2: 0 is perfect, 1 is sure and wrong.

    Half of `brier` of the same two classes. Of labels: binary_brier(scores[known], targets[known]).
    """
    probability, positive = validation.rows(probability=probability, positive=positive)
    return float(np.mean((validation.unit("probability", probability).astype(np.float64) - positive) ** 2))


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """Return log(sum(exp(logits))) [n] float64 of the rows of `logits` [n, k] float, however large they are."""
    logits = np.asarray(logits, dtype=np.float64)
    peak = logits.max(axis=1)
    return peak + np.log(np.sum(np.exp(logits - peak[:, None]), axis=1))


def _group_temperature(
    name: str, logits: np.ndarray, positive: np.ndarray, known: np.ndarray, exclusive: bool
) -> float:
    usable = known.all(axis=1) & (positive.sum(axis=1) == 1) if exclusive else known
    if not usable.any():
        raise InputError(f"group {name!r}: no known label to fit a temperature on")
    if exclusive:
        return fit_temperature(logits, positive.argmax(axis=1), usable)
    return fit_sigmoid_temperature(logits, positive, usable)


def _minimise(loss: Callable[[float], float]) -> float:
    """Return the T whose loss(1 / T) is least. The loss is convex in 1 / T, so there is one valley to walk down."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - half a second that help must not wait for

    limits = (np.log(COLDEST), np.log(HOTTEST))
    found = minimize_scalar(
        lambda log_t: loss(np.exp(-log_t)), bounds=limits, method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x)) if found.fun < loss(1.0) else 1.0
