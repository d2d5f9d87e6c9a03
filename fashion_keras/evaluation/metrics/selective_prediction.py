"""Selective prediction: score thresholds that reach a target precision, and the coverage that they leave."""

import math
from dataclasses import dataclass

import numpy as np

from fashion_keras.evaluation.metrics import classification, validation
from fashion_keras.evaluation.metrics.intervals import proportion_lower_bound
from fashion_keras.support.errors import InputError


@dataclass(frozen=True)
class SelectiveThreshold:
    """A score threshold, infinite where nothing is released, and the precision that it was shown to have at least.

    `n_released` rows score at least as high, of which `n_correct` are correct.
    """

    threshold: float
    n_released: int
    n_correct: int
    lower_bound: float


ABSTAIN = SelectiveThreshold(math.inf, 0, 0, 0.0)


def min_samples(target_precision: float, confidence: float = 0.95) -> int:
    """Return how many rows, all of them correct, have a lower bound of precision of at least `target_precision`."""
    for name, value in (("target precision", target_precision), ("confidence", confidence)):
        if not 0 < value < 1:
            raise InputError(f"{name} must be between 0 and 1, got {value:g}")
    return math.ceil(round(math.log(1 - confidence) / math.log(target_precision), 9))


def select_threshold(
    scores: np.ndarray, correct: np.ndarray, target_precision: float, confidence: float = 0.95
) -> SelectiveThreshold:
    """Return the lowest threshold shown to have a precision of at least `target_precision`, or ABSTAIN.

    `scores` [n] float in 0..1 and `correct` [n] bool are of rows that nothing else was fitted on. With probability
    `confidence`, over their draw, what the threshold releases from the same source has the target precision.

    Taking the lowest of all thresholds whose bound reaches the target would exceed the error level (multiple testing).
    So thresholds are tested in an order fixed before any `correct` is seen, from the strictest down to the first whose
    bound fails (fixed-sequence testing, as in Angelopoulos et al. 2021, arXiv:2110.01052). A sequence that starts at
    `min_samples` rows fails at once if one of them is wrong. So there are J sequences, as many as fit into n, whose
    start sizes double, each tested at the level (1 - confidence) / J; the lowest threshold that any reaches is taken.
    """
    scores, correct = validation.rows(scores=scores, correct=correct)
    thresholds, released, hits = classification.ranked_counts(correct, validation.unit("scores", scores))
    sizes = _start_sizes(len(scores), target_precision, confidence)
    if not sizes:
        return ABSTAIN
    bounds = proportion_lower_bound(hits, released, 1 - (1 - confidence) / len(sizes))
    last = _last_passed(bounds >= target_precision, np.searchsorted(released, sizes))
    if last is None:
        return ABSTAIN
    return SelectiveThreshold(float(thresholds[last]), int(released[last]), int(hits[last]), float(bounds[last]))


def select_label_thresholds(
    scores: np.ndarray, targets: np.ndarray, known: np.ndarray, target_precision: float, confidence: float = 0.95
) -> list[SelectiveThreshold]:
    """Return k thresholds, one per label over its known rows, each right on its own with probability `confidence`.

    `scores` [n, k] float in 0..1, `targets` [n, k] in {0, 1}, `known` [n, k] bool; see `select_threshold`.
    """
    _, known = validation.cells(targets, known)
    labels = np.eye(known.shape[1], dtype=bool)
    return [select_pooled_threshold(scores, targets, known, own, target_precision, confidence) for own in labels]


def select_pooled_threshold(
    scores: np.ndarray,
    targets: np.ndarray,
    known: np.ndarray,
    pool: np.ndarray,
    target_precision: float,
    confidence: float = 0.95,
) -> SelectiveThreshold:
    """Return one threshold for all labels of `pool` [k] bool together; ABSTAIN where nothing of them is known.

    The statement is about all that the pool releases: a label in it may be worse, if others are better. It needs scores
    that mean the same for each (calibrated), and a pool that is not chosen by its score on these rows. The bound treats
    errors of several labels of one image as independent; mutually exclusive classes are not affected.
    """
    positive, known = validation.cells(targets, known)
    scores, pool = validation.table("scores", scores, known.shape), np.asarray(pool)
    if pool.shape != known.shape[1:] or pool.dtype != bool:
        raise InputError(f"pool must be bool, one for each of {known.shape[1]} labels, got {pool.dtype} {pool.shape}")
    cells = known & pool
    return select_threshold(scores[cells], positive[cells], target_precision, confidence) if cells.any() else ABSTAIN


def coverage_risk(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (coverage [t], risk [t], thresholds [t]) of `confidence` [n] float and `correct` [n] bool.

    At each distinct confidence, highest first: the share of rows at least as confident, and of these that are wrong.
    """
    thresholds, released, hits = classification.ranked_counts(correct, confidence)
    return released / released[-1], (released - hits) / released, thresholds


def area_under_coverage_risk(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return AURC, less is better: the mean of the risk over the rows as they are released (arXiv:1805.08206)."""
    coverage, risk, _ = coverage_risk(confidence, correct)
    return float(np.sum(np.diff(coverage, prepend=0.0) * risk))


def _start_sizes(n: int, target_precision: float, confidence: float) -> list[int]:
    """Return the J sizes at which testing starts, for the largest J that fits into n."""
    sizes: list[int] = []
    while True:
        count = len(sizes) + 1
        smallest = min_samples(target_precision, 1 - (1 - confidence) / count)
        if smallest * 2 ** (count - 1) > n:
            return sizes
        sizes = [smallest * 2**step for step in range(count)]


def _last_passed(passes: np.ndarray, starts: np.ndarray) -> int | None:
    """Return where the last run of `passes` [t] bool that begins at one of `starts` [j] int ends; None without any."""
    failures = np.append(np.flatnonzero(~passes), len(passes))
    stops = failures[np.searchsorted(failures, starts)]
    return max((stops[stops > starts] - 1).tolist(), default=None)
