"""Selective prediction: score thresholds that reach a target precision, and the coverage that they leave."""

import math
from dataclasses import dataclass

import numpy as np

from fashion_keras.evaluation.metrics import classification, validation
from fashion_keras.evaluation.metrics.intervals import proportion_lower_bound
from fashion_keras.support.errors import InputError


@dataclass(frozen=True)
class SelectiveThreshold:
    """A score threshold, infinite where nothing is released, and the precision it was shown to have.

    Attributes:
        threshold, n_released, n_correct: rows that score at least as high are released; how many, and how many right.
        lower_bound: of the precision, at least the target precision; 0 where nothing is released.
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

    Testing every threshold and taking the lowest whose bound reaches the target would exceed the error level (multiple
    testing). So thresholds are tested in an order fixed before any `correct` is seen, from the strictest down to the
    first whose bound fails (fixed-sequence testing, as in Angelopoulos et al. 2021, arXiv:2110.01052). A sequence that
    starts at the threshold of `min_samples` rows fails at once if a single one of them is wrong. So there are J
    sequences, whose start sizes double, each tested at the level (1 - confidence) / J: J is the most that fit into n,
    and the lowest threshold that any of them reaches is taken. Tied scores are released together.
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
    positive, known = validation.cells(targets, known)
    scores = validation.table("scores", scores, known.shape)
    columns = zip(scores.T, positive.T, known.T, strict=True)
    return [_select_known(*column, target_precision, confidence) for column in columns]


def select_pooled_threshold(
    scores: np.ndarray,
    targets: np.ndarray,
    known: np.ndarray,
    pool: np.ndarray,
    target_precision: float,
    confidence: float = 0.95,
) -> SelectiveThreshold:
    """Return one threshold for all labels of `pool` [k] bool together (see `select_threshold`).

    The arrays are those of `select_label_thresholds`; of classes, `known` is where each was predicted. The statement is
    about all that the pool releases: a label in it may be worse, if others are better. It needs scores that mean the
    same for each (calibrated), and a pool that is not chosen by its score on these rows. The bound treats errors of
    several labels of one image as independent; mutually exclusive classes are not affected.
    """
    positive, known = validation.cells(targets, known)
    scores, pool = validation.table("scores", scores, known.shape), np.asarray(pool)
    if pool.shape != known.shape[1:] or pool.dtype != bool:
        raise InputError(f"pool must be bool, one for each of {known.shape[1]} labels, got {pool.dtype} {pool.shape}")
    cells = (values[:, pool].ravel() for values in (scores, positive, known))
    return _select_known(*cells, target_precision, confidence)


def coverage_risk(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (coverage [t], risk [t], thresholds [t]) of `confidence` [n] float and `correct` [n] bool.

    At each distinct confidence, highest first: the share of rows that are at least as confident, and the share of
    those that are wrong (El-Yaniv & Wiener 2010, JMLR 11).
    """
    thresholds, released, hits = classification.ranked_counts(correct, confidence)
    return released / released[-1], (released - hits) / released, thresholds


def area_under_coverage_risk(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return AURC, less is better: the mean of the risk over the rows as they are released (arXiv:1805.08206)."""
    coverage, risk, _ = coverage_risk(confidence, correct)
    return float(np.sum(np.diff(coverage, prepend=0.0) * risk))


def _select_known(
    scores: np.ndarray, positive: np.ndarray, known: np.ndarray, target_precision: float, confidence: float
) -> SelectiveThreshold:
    """Return `select_threshold` of the cells [m] that are known; ABSTAIN where none is."""
    if not known.any():
        return ABSTAIN
    return select_threshold(scores[known], positive[known], target_precision, confidence)


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
    return max((int(stop) - 1 for start, stop in zip(starts, stops, strict=True) if stop > start), default=None)
