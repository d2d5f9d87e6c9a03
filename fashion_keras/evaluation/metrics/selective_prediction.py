"""Which answers to release and which to keep back: thresholds that keep a promised precision, and what they cost.

Shapes: n rows, k classes or labels. A threshold is chosen on validation and releases what scores at least as high; an
infinite one releases nothing: that class or label abstains. Input that cannot be used raises InputError, a ValueError.
"""

import math
from dataclasses import dataclass

import numpy as np

from fashion_keras.evaluation.metrics import classification, validation
from fashion_keras.evaluation.metrics.intervals import proportion_lower_bound
from fashion_keras.support.errors import InputError


@dataclass(frozen=True)
class SelectiveThreshold:
    """What a class or label may release.

    Attributes:
        threshold: the lowest score that is released; infinite: none is.
        released: the validation items that score so high.
        right: those of them that are right.
        lower: the lower bound of the precision, at least the promised one; 0 where nothing is released.
    """

    threshold: float
    released: int
    right: int
    lower: float


ABSTAIN = SelectiveThreshold(math.inf, 0, 0, 0.0)


def min_samples(promise: float, confidence: float = 0.95) -> int:
    """Return how many items must be released, all of them right, before their lower bound reaches `promise`.

    Raises InputError for a promise or confidence that is not between 0 and 1.

    >>> fewest(0.9), fewest(0.95), fewest(0.99)
    (29, 59, 299)
    """
    for name, value in (("promise", promise), ("confidence", confidence)):
        if not 0 < value < 1:
            raise InputError(f"{name} must be between 0 and 1, got {value:g}")
    return math.ceil(round(math.log(1 - confidence) / math.log(promise), 9))


def select_threshold(
    scores: np.ndarray, right: np.ndarray, promise: float, confidence: float = 0.95
) -> SelectiveThreshold:
    """Return the lowest threshold at which validation shows a precision of at least `promise`, or ABSTAIN.

    `scores` [n] float in 0..1; `right` [n] bool says whether each item is. With chance `confidence`, over the draw of
    validation items, what the threshold releases from the same source has a precision of at least `promise`.

    To take the lowest threshold whose own bound reaches the promise would break it more often: of many thresholds on a
    plateau just below the promise, one is lucky. So thresholds are tested in an order that is fixed before any `right`
    is seen, from the strictest down to the first whose bound fails; the chance to pass one that is not good enough is
    then that of one test (fixed-sequence testing, as in Angelopoulos et al. 2021, arXiv:2110.01052). The
    strictest would be that of the `fewest` items, which one wrong label among them undoes. So there are J starts, at
    sizes that double, each tested at (1 - confidence) / J: J is the most that fit into n, the lowest threshold that any
    of them reaches is taken, and `lower` is the bound at that stricter level. Tied scores are released together.
    """
    scores, right = validation.rows(scores=scores, right=right)
    thresholds, released, hits = classification.ranked_counts(right, validation.unit("scores", scores))
    sizes = _starts(len(scores), promise, confidence)
    if not sizes:
        return ABSTAIN
    bounds = proportion_lower_bound(hits, released, 1 - (1 - confidence) / len(sizes))
    last = _last_kept(bounds >= promise, np.searchsorted(released, sizes))
    if last is None:
        return ABSTAIN
    return SelectiveThreshold(float(thresholds[last]), int(released[last]), int(hits[last]), float(bounds[last]))


def select_class_thresholds(
    probabilities: np.ndarray, truth: np.ndarray, promise: float, confidence: float = 0.95
) -> list[SelectiveThreshold]:
    """Return k releases: of what is predicted as each class, by its probability (see release).

    `probabilities` [n, k] in 0..1, `truth` [n] int. The promise is made for each class on its own: of 100 classes that
    release at confidence 0.95, some 5 may break it. A class that is predicted fewer than `fewest` times abstains.
    """
    truth, probabilities = validation.scored(truth, probabilities)
    classes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)[:, None] == classes
    return select_label_thresholds(probabilities, truth[:, None] == classes, predicted, promise, confidence)


def select_label_thresholds(
    scores: np.ndarray, targets: np.ndarray, known: np.ndarray, promise: float, confidence: float = 0.95
) -> list[SelectiveThreshold]:
    """Return k releases: of each label, over its known rows (see release). The promise is made for each on its own.

    `scores` [n, k] float in 0..1, `targets` [n, k] in {0, 1}, `known` [n, k] bool.
    """
    positive, known = validation.cells(targets, known)
    scores = validation.table("scores", scores, known.shape)
    labels = zip(scores.T, positive.T, known.T, strict=True)
    return [select_threshold(s[rows], p[rows], promise, confidence) if rows.any() else ABSTAIN for s, p, rows in labels]


def select_pooled_threshold(
    scores: np.ndarray,
    targets: np.ndarray,
    known: np.ndarray,
    pool: np.ndarray,
    promise: float,
    confidence: float = 0.95,
) -> SelectiveThreshold:
    """Return one release for all labels of `pool` [k] bool, those too rare to keep a promise alone (see release).

    The arrays are those of label_releases; of classes, `known` is where each was predicted. What is promised is the
    precision of all that the pool releases together: a label in it may be worse, if others are better. It needs scores
    that mean the same for each (calibrated), and a pool that is chosen by training counts or by how often each is
    predicted, never by how well it did here. Labels of one image err together; where an image releases several, the
    bound takes them as more evidence than they are. Classes exclude each other, so this does not touch them.
    """
    positive, known = validation.cells(targets, known)
    scores, pool = validation.table("scores", scores, known.shape), np.asarray(pool)
    if pool.shape != known.shape[1:] or pool.dtype != bool:
        raise InputError(f"pool must be bool, one for each of {known.shape[1]} labels, got {pool.dtype} {pool.shape}")
    rows = known[:, pool]
    return (
        select_threshold(scores[:, pool][rows], positive[:, pool][rows], promise, confidence) if rows.any() else ABSTAIN
    )


def coverage_risk(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (coverage [t], risk [t], thresholds [t]) of `confidence` [n] float and `correct` [n] bool.

    At each distinct confidence, highest first: the share of rows that are at least as confident, and the share of
    those that are wrong (El-Yaniv & Wiener 2010, JMLR 11). Tied rows enter together.

    >>> [column.tolist() for column in coverage_risk(np.array([0.9, 0.7, 0.7, 0.2]), np.array([1, 1, 0, 0]))]
    [[0.25, 0.75, 1.0], [0.0, 0.3333333333333333, 0.5], [0.9, 0.7, 0.2]]
    """
    thresholds, released, hits = classification.ranked_counts(correct, confidence)
    return released / released[-1], (released - hits) / released, thresholds


def area_under_coverage_risk(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return AURC in 0..1, less is better: the mean, over the rows as they are released, of the risk so far.

    Geifman et al. 2019, arXiv:1805.08206, section 2; tied rows enter together, so that a constant confidence scores
    the error rate.

    >>> round(area_under_coverage_risk(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1])), 4)  # (0/1 + 1/2 + 1/3) / 3
    0.2778
    """
    coverage, risk, _ = coverage_risk(confidence, correct)
    return float(np.sum(np.diff(coverage, prepend=0.0) * risk))


def _starts(n: int, promise: float, confidence: float) -> list[int]:
    """Return the J sizes at which testing starts, for the largest J that fits into n; none when not even one does."""
    starts: list[int] = []
    while True:
        count = len(starts) + 1
        first = min_samples(promise, 1 - (1 - confidence) / count)
        if first * 2 ** (count - 1) > n:
            return starts
        starts = [first * 2**i for i in range(count)]


def _last_kept(keeps: np.ndarray, starts: np.ndarray) -> int | None:
    """Return where the last run of `keeps` [t] bool that begins at one of `starts` [j] int ends; None without any."""
    failures = np.append(np.flatnonzero(~keeps), len(keeps))
    stops = failures[np.searchsorted(failures, starts)]
    return max((int(stop) - 1 for start, stop in zip(starts, stops, strict=True) if stop > start), default=None)
