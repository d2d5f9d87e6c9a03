"""Scores of predictions against their truth: the values of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import group_slices
from fashion_keras.evaluation.metrics import classification, intervals, multilabel, validation
from fashion_keras.evaluation.metrics.per_product import per_product
from fashion_keras.evaluation.reports.calibration import confidence_and_correct
from fashion_keras.evaluation.reports.hierarchy import hierarchy_metrics
from fashion_keras.models.predictions import Predictions

_MEANS = ("accuracy", "top_3", "macro_f1", "micro_average_precision", "ece")
_DRAWS = 1000

TrainCounts = Mapping[str, Sequence[int]]
KnownCounts = Mapping[str, Mapping[str, int]]


def compute_scores(
    predictions: Predictions, train_counts: TrainCounts, known: KnownCounts, product_groups: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the fields test, groups, per_class, by_frequency, labels, per_product and hierarchy of `Scores`.

    test: of the one group; of several, means over the single-valued ones, or over the multi-valued where there is no
    other. groups: each group by itself. labels: all K labels as one multi-label task, by the predicted labels or, as
    guo2019 does, the eight most probable.

    Args:
        predictions: of n images, truth included.
        train_counts: group -> training images of each label.
        known: part -> group -> images of that part of which a label is known.
        product_groups [n]: images with an equal number show one product.
    """
    groups = {
        head.groups[0].name: _group_report(head, train_counts, known, product_groups) for head in predictions.split()
    }
    scores = {
        "test": _overall(predictions, groups, product_groups),
        "groups": groups,
        "hierarchy": hierarchy_metrics(predictions),
    }
    if len(groups) > 1:
        counts = np.concatenate([train_counts[name] for name in groups])
        rows = _label_rows(predictions, counts)
        return scores | {
            "per_class": rows,
            "by_frequency": classification.by_class_frequency(rows),
            "labels": _label_scores(predictions, product_groups),
        }
    (report,) = groups.values()
    scores |= {name: report[name] for name in ("per_class", "by_frequency")}
    if predictions.groups[0].kind == "single":
        codes = predictions.true_codes
        return scores | {"per_product": per_product(codes, predictions.probabilities, product_groups)}
    return scores | {"labels": _label_scores(predictions, product_groups)}


def mean_accuracy_interval(
    right: NDArray[np.int64], known: NDArray[np.int64], product_groups: NDArray[np.int64] | None = None, seed: int = 0
) -> list[float]:
    """Return [low, high], the 95 % bootstrap interval of the mean over groups of right / known, resampling products.

    Args:
        right, known [n, g] int: how many labels of each image are predicted correctly and known, by group.
        product_groups [n]: images with an equal number show one product; None: each image does.
        seed: of the resamples.
    """

    def mean_share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = validation.ratio(*np.split(sums, 2, axis=1))
        return validation.ratio(np.nansum(shares, axis=1), (~np.isnan(shares)).sum(axis=1))

    counted = np.hstack([right, known])
    return list(intervals.bootstrap_interval(counted, mean_share, product_groups, draws=_DRAWS, seed=seed))


def _group_report(
    head: Predictions, train_counts: TrainCounts, known: KnownCounts, product_groups: NDArray[np.int64]
) -> dict[str, Any]:
    (group,) = head.groups
    counts = {part: groups[group.name] for part, groups in known.items()} | {"test": int(head.known.sum())}
    report = {"kind": group.kind, "classes": list(group.classes), "counts": counts}
    if not head.known.any():
        return report | {"test": None, "per_class": [], "by_frequency": {}}
    positives = np.array(train_counts[group.name])
    if group.kind == "single":
        product_groups, head = product_groups[head.known], head.take(head.known)
        test = classification.summary(head.true_codes, head.probabilities, product_groups)
        rows = classification.per_class(head.true_codes, head.probabilities, group.classes, positives)
    else:
        rows = _label_rows(head, positives)
        test = _multi_valued_test(head, rows, product_groups)
    return report | {"test": test, "per_class": rows, "by_frequency": classification.by_class_frequency(rows)}


def _multi_valued_test(
    head: Predictions, rows: Sequence[Mapping[str, Any]], product_groups: NDArray[np.int64]
) -> dict[str, Any]:
    truth, known = head.true_labels, head.true_labels >= 0
    summary = multilabel.summary(truth, known, head.predicted_labels, product_groups)
    right, counted = right_and_known(head)
    return {
        "accuracy": float(np.mean(head.predicted_labels[known] == truth[known])),
        "accuracy_ci95": mean_accuracy_interval(right[:, None], counted[:, None], product_groups),
        "top_3": None,
        "macro_f1": summary["macro"]["f1"],
        "ece": classification.expected_calibration_error(*confidence_and_correct(head)),
        "mean_average_precision": _mean([row["average_precision"] for row in rows]),
        **summary,
    }


def right_and_known(head: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many labels of each image in one group are predicted correctly, and how many are known: two [n]."""
    if head.groups[0].kind == "single":
        known = head.known
        return (known & (head.codes == head.true_codes)).astype(int), known.astype(int)
    known = head.true_labels >= 0
    return (known & (head.predicted_labels == head.true_labels)).sum(axis=1), known.sum(axis=1)


def _label_rows(predictions: Predictions, positives: NDArray[np.int64]) -> list[dict[str, Any]]:
    truth = predictions.true_labels
    return multilabel.per_label(
        truth, truth >= 0, predictions.probabilities, predictions.predicted_labels, predictions.classes, positives
    )


def _label_scores(predictions: Predictions, product_groups: NDArray[np.int64]) -> dict[str, Any]:
    truth, shares = predictions.true_labels, predictions.probabilities
    known, count = truth >= 0, truth.shape[1]
    top = multilabel.top_n(shares, min(multilabel.GUO2019_LABELS, count))
    columns = {name: np.arange(count)[part] for name, part in group_slices(predictions.groups).items()}
    return {"mean_average_precision": _mean(multilabel.average_precisions(truth, known, shares))} | {
        name: multilabel.summary(truth, known, decisions, product_groups)
        | {"groups": multilabel.group_f1(truth, known, decisions, columns)}
        for name, decisions in {"given": predictions.predicted_labels, "top_8": top}.items()
    }


def _overall(
    predictions: Predictions, groups: Mapping[str, dict[str, Any]], product_groups: NDArray[np.int64]
) -> dict[str, Any]:
    scored = [group for group in predictions.groups if groups[group.name]["test"]]
    scored = [group for group in scored if group.kind == "single"] or scored
    tests = [groups[group.name]["test"] for group in scored]
    if len(predictions.groups) == 1:
        return tests[0]
    counts = (right_and_known(predictions.group(group.name)) for group in scored)
    right, known = (np.stack(columns, axis=1) for columns in zip(*counts, strict=True))
    means = {name: _mean([test.get(name) for test in tests]) for name in _MEANS}
    return means | {"accuracy_ci95": mean_accuracy_interval(right, known, product_groups)}


def _mean(values: Sequence[float | None]) -> float | None:
    return validation.or_none(validation.mean(values))
