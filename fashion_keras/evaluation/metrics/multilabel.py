"""Scores of a multi-label classifier over known cells and labels with a positive (scikit-learn counts others as 0)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fashion_keras.evaluation.metrics import classification, validation
from fashion_keras.evaluation.metrics.intervals import bootstrap_interval
from fashion_keras.support.errors import InputError

GUO2019_LABELS = 8  # the labels per image in guo2019
_SCORES = ("precision", "recall", "f1")
_BLOCK = 2**16  # rows at a time, few enough for exact counts in float32


def top_n(scores: np.ndarray, count: int = GUO2019_LABELS) -> np.ndarray:
    """Return decisions [n, k] bool: the `count` highest of each row of `scores` [n, k] (guo2019, section 4.1)."""
    scores = np.asarray(scores, dtype=np.float64)
    if not 1 <= count <= scores.shape[1]:
        raise InputError(f"cannot predict {count} of {scores.shape[1]} labels for each image")
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    return ranks < count


def at_least(scores: np.ndarray, thresholds: float | np.ndarray) -> np.ndarray:
    """Return decisions [n, k] bool: where `scores` [n, k] reach the threshold, one for all or [k], one per label."""
    scores, thresholds = np.asarray(scores), np.asarray(thresholds)
    if thresholds.shape not in {(), scores.shape[1:]}:
        raise InputError(f"need one threshold, or one for each of {scores.shape[1]} labels, got {thresholds.shape}")
    return scores >= thresholds


def best_threshold(relevant: np.ndarray, scores: np.ndarray) -> float:
    """Return the threshold of `scores` [n] with the highest F1 for `relevant` [n] bool; infinite if nothing is."""
    thresholds, predicted, hits = classification.ranked_counts(relevant, scores)
    if not hits[-1]:
        return float("inf")
    return float(thresholds[np.argmax(2 * hits / (predicted + hits[-1]))])


def best_thresholds(targets: np.ndarray, known: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return [k] float: the `best_threshold` of each label, to be chosen on validation; infinite without a positive."""
    thresholds = _label_by_label(best_threshold, targets, known, scores)
    return np.where(np.isnan(thresholds), np.inf, thresholds)


def counts(targets: np.ndarray, known: np.ndarray, decisions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (hits, positives, predicted), each [k] int: N^t, N^g and N^p of guo2019, eq. 1, over known cells."""
    positive, known = validation.cells(targets, known)
    decisions = _known_decisions(decisions, known)
    return (positive & decisions).sum(axis=0), positive.sum(axis=0), decisions.sum(axis=0)


def micro(hits: np.ndarray, positives: np.ndarray, predicted: np.ndarray) -> dict[str, float | None]:
    """Return precision, recall and f1 of the labels of `counts` together (guo2019, eq. 1); None where undefined."""
    scores = classification.scores_of_counts(hits.sum(), positives.sum(), predicted.sum())
    return dict(zip(_SCORES, map(validation.or_none, scores), strict=True))


def macro(hits: np.ndarray, positives: np.ndarray, predicted: np.ndarray) -> dict[str, float | int | None]:
    """Return precision, recall and f1, means of eq. 1 of guo2019 over `labels` with a positive, and number `excluded`.

    The precision of a label that is never predicted counts as 0.
    """
    present = positives > 0
    precision, recall, f1 = classification.scores_of_counts(hits[present], positives[present], predicted[present])
    means = map(validation.mean_or_none, (np.nan_to_num(precision), recall, f1))
    count = int(present.sum())
    return dict(zip(_SCORES, means, strict=True)) | {"labels": count, "excluded": len(present) - count}


def f1_intervals(
    targets: np.ndarray,
    known: np.ndarray,
    decisions: np.ndarray,
    product_groups: np.ndarray | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, list[float] | None]:
    """Return micro and macro -> [low, high], the intervals of both F1 (see `bootstrap_interval`); None if undefined."""

    def f1(*sums: np.ndarray) -> np.ndarray:
        return classification.scores_of_counts(*sums)[2]

    statistics = {
        "micro": lambda sums: f1(*(part.sum(axis=1) for part in np.split(sums, 3, axis=1))),
        "macro": lambda sums: validation.row_means(f1(*np.split(sums, 3, axis=1))),
    }
    positive, known = validation.cells(targets, known)
    decisions = _known_decisions(decisions, known)
    counted = np.hstack([positive & decisions, positive, decisions])
    intervals = {
        name: bootstrap_interval(counted, statistic, product_groups, level, draws, seed)
        for name, statistic in statistics.items()
    }
    return {name: interval and list(interval) for name, interval in intervals.items()}


def summary(
    targets: np.ndarray, known: np.ndarray, decisions: np.ndarray, product_groups: np.ndarray | None = None
) -> dict[str, dict[str, float | int | list[float] | None]]:
    """Return micro {precision, recall, f1, f1_ci95} and macro {the same, labels, excluded}, ready for JSON."""
    sums = counts(targets, known, decisions)
    intervals = f1_intervals(targets, known, decisions, product_groups)
    return {
        "micro": micro(*sums) | {"f1_ci95": intervals["micro"]},
        "macro": macro(*sums) | {"f1_ci95": intervals["macro"]},
    }


def group_f1(
    targets: np.ndarray, known: np.ndarray, decisions: np.ndarray, groups: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, float | int | None]]:
    """Return group -> labels, excluded, macro_f1, micro_f1, over the labels (column numbers) of each of `groups`."""
    sums = counts(targets, known, decisions)
    scores = {}
    for name, labels in groups.items():
        if not len(labels):
            raise InputError(f"group {name!r} has no labels")
        columns = validation.codes(f"group {name!r}", np.asarray(labels), len(sums[0]))
        parts = [part[columns] for part in sums]
        mean = macro(*parts)
        scores[name] = {key: mean[key] for key in ("labels", "excluded")}
        scores[name] |= {"macro_f1": mean["f1"], "micro_f1": micro(*parts)["f1"]}
    return scores


def average_precisions(targets: np.ndarray, known: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return [k] float: the average precision of each label over its known rows; NaN without a positive."""
    return _label_by_label(classification.average_precision, targets, known, scores)


def terciles(train_positives: np.ndarray) -> list[str]:
    """Name each label of `train_positives` [k] int "head", "mid" or "tail": thirds of the labels, ties together.

    By rank, so that each mean is over as many labels; `head_mid_tail`, by images, would put an attribute that every
    image has alone at the head.
    """
    (sizes,) = validation.rows(train_positives=np.asarray(train_positives, dtype=np.int64))
    ascending = np.sort(sizes)
    not_larger = np.searchsorted(ascending, sizes, side="right")
    equal = not_larger - np.searchsorted(ascending, sizes, side="left")
    twice_rank = 2 * (len(sizes) - not_larger) + equal - 1  # from 0, the largest
    return [classification.FREQUENCIES[place] for place in 3 * twice_rank // (2 * len(sizes))]


def per_label(
    targets: np.ndarray,
    known: np.ndarray,
    scores: np.ndarray,
    decisions: np.ndarray,
    labels: Sequence[str],
    train_positives: np.ndarray,
    frequency: Callable[[np.ndarray], list[str]] = terciles,
) -> list[dict[str, str | int | float | None]]:
    """Return one row per label: name, support, precision, recall, f1, average_precision, frequency; None if undefined.

    `train_positives` [k] int are the training images of each label, from which `frequency` names head, mid and tail.
    """
    hits, positives, predicted = counts(targets, known, decisions)
    if not len(labels) == len(train_positives) == len(hits):
        raise InputError(
            f"{len(hits)} columns of targets, {len(labels)} labels, {len(train_positives)} train_positives"
        )
    areas = average_precisions(targets, known, scores)
    values = np.column_stack([*classification.scores_of_counts(hits, positives, predicted), areas])
    keys = ("name", "support", "precision", "recall", "f1", "average_precision", "frequency")
    columns = zip(labels, positives.tolist(), values, frequency(train_positives), strict=True)
    return [
        dict(zip(keys, (name, support, *map(validation.or_none, row), zone), strict=True))
        for name, support, row, zone in columns
    ]


def co_occurrence(targets: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return [k, k] int: rows in which both labels are known positives; the diagonal is each label's positives."""
    positive, _ = validation.cells(targets, known)
    blocks = (positive[start : start + _BLOCK].astype(np.float32) for start in range(0, len(positive), _BLOCK))
    return sum((block.T @ block).astype(np.int64) for block in blocks)


def labels_per_image(targets: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return [m + 1] int: how many rows are known to have 0, 1, ..., m labels (guo2019, fig. 2)."""
    positive, _ = validation.cells(targets, known)
    return np.bincount(positive.sum(axis=1))


def _label_by_label(
    score: Callable[[np.ndarray, np.ndarray], float], targets: np.ndarray, known: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Return [k] float: score(relevant, scores) of each label's known rows; NaN where it has no positive."""
    positive, known = validation.cells(targets, known)
    scores = validation.unit("scores", validation.table("scores", scores, known.shape))
    values = np.full(known.shape[1], np.nan)
    for label in np.flatnonzero(positive.any(axis=0)):
        rows = known[:, label]
        values[label] = score(positive[rows, label], scores[rows, label])
    return values


def _known_decisions(decisions: np.ndarray, known: np.ndarray) -> np.ndarray:
    decisions = validation.table("decisions", decisions, known.shape)
    if decisions.dtype != bool:
        raise InputError(f"decisions must be bool, not {decisions.dtype}: top_n and at_least make them of scores")
    return decisions & known
