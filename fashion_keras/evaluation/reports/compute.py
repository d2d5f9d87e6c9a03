"""Scores of predictions against their truth, of folds and of an encoder: the values of a report."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import TITLE
from fashion_keras.catalog.label_groups import ClassPath, group_slices
from fashion_keras.evaluation.metrics import classification, intervals, multilabel, retrieval, validation
from fashion_keras.evaluation.metrics.text_retrieval import TextSearch, name_queries, text_scores, value_queries
from fashion_keras.evaluation.reports.calibration import confidence_and_correct
from fashion_keras.models.hierarchy import LEVELS, HierarchicalPredictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.errors import InputError

_MEANS = ("accuracy", "top_3", "macro_f1", "micro_average_precision", "ece")
_DRAWS = 1000
_TEXT_COLUMNS = ("article_type", "base_colour")

Counts = NDArray[np.int64]
TrainCounts = Mapping[str, Sequence[int]]
KnownCounts = Mapping[str, Mapping[str, int]]
Frequency = Callable[[Counts], list[str]]


def compute_scores(
    predictions: Predictions, train_counts: TrainCounts, known: KnownCounts, product_groups: Counts
) -> dict[str, Any]:
    """Return the fields test, groups, per_class, by_frequency, labels, per_product and hierarchy of `Scores`.

    test: of the one group; of several, means over the single-valued ones, or over the multi-valued where there is no
    other. labels: all K labels as one multi-label task, by the predicted labels or, as guo2019 does, the eight most
    probable. `train_counts`: group -> training images of each label; `known`: part -> group -> images of that part of
    which a label is known; images with an equal number in `product_groups` [n] show one product.
    """
    groups = {
        head.groups[0].name: _group_report(head, train_counts, known, product_groups) for head in predictions.split()
    }
    scores = {
        "test": _overall(predictions, groups, product_groups),
        "groups": groups,
        "hierarchy": hierarchy_metrics(predictions),
    }
    if len(groups) > 1 or predictions.groups[0].kind == "multi":
        scores["labels"] = _label_scores(predictions, product_groups)
    else:
        scores["per_product"] = classification.per_product(
            predictions.true_codes, predictions.probabilities, product_groups
        )
    if len(groups) == 1:
        (report,) = groups.values()
        return scores | {name: report[name] for name in ("per_class", "by_frequency")}
    rows = _label_rows(predictions, np.concatenate([train_counts[name] for name in groups]))
    return scores | {"per_class": rows, "by_frequency": classification.by_class_frequency(rows)}


def mean_accuracy_interval(right: Counts, known: Counts, product_groups: Counts | None = None) -> list[float]:
    """Return [low, high], the 95 % bootstrap interval of the mean over groups of right / known, resampling products.

    `right`, `known` [n, g] int: how many labels of each image are predicted correctly and known, by group.
    """

    def mean_share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return validation.row_means(validation.ratio(*np.split(sums, 2, axis=1)))

    return list(intervals.bootstrap_interval(np.hstack([right, known]), mean_share, product_groups, draws=_DRAWS))


def retrieval_scores(embeddings: NDArray[np.float32], catalog: Catalog, seed: int = 0) -> dict[str, retrieval.Score]:
    """Return `retrieval.encoder_scores` of embeddings [n, d]; a column that the catalog lacks agrees with nothing."""
    missing = np.full(len(catalog), "")
    columns = {name: as_text(catalog.columns.get(name, missing)) for name in retrieval.COLUMNS}
    return retrieval.encoder_scores(embeddings, columns, catalog.product_groups, seed)


def text_retrieval_scores(catalog: Catalog, search: TextSearch) -> dict[str, retrieval.Score]:
    """Return `text_scores` of a search in a catalog's images: by article type, by color, by both, by product name.

    A query that needs a column which the catalog lacks is left out.
    """
    columns = {name: as_text(catalog.columns[name]) for name in _TEXT_COLUMNS if name in catalog.columns}
    requested = {
        " and ".join(names): value_queries([columns[name] for name in reversed(names)])
        for names in (_TEXT_COLUMNS[:1], _TEXT_COLUMNS[1:], _TEXT_COLUMNS)
        if set(names) <= columns.keys()
    }
    titles = as_text(catalog.columns.get(TITLE, np.full(len(catalog), "")))
    return text_scores(requested, name_queries(titles, catalog.product_groups), search)


def embedding_search(
    gallery: NDArray[np.float32], embed_text: Callable[[Sequence[str]], NDArray[np.float32]]
) -> TextSearch:
    """Return the search by texts in n embeddings [n, d] of images: the rows [q, 10] of the nearest, -1 beyond the n."""
    count = min(retrieval.TOP, len(gallery))

    def search(texts: Sequence[str]) -> NDArray[np.int64]:
        rows = retrieval.nearest(gallery, count, embed_text(texts))
        return np.pad(rows, ((0, 0), (0, retrieval.TOP - count)), constant_values=-1)

    return search


def summarize_folds(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, dict[str, float | int]]:
    """Return the `fold_statistics` of each named score that every row has."""
    values = {name: [row.get(name) for row in rows] for name in names}
    return {name: fold_statistics(scores) for name, scores in values.items() if None not in scores}


def fold_statistics(values: Sequence[float]) -> dict[str, float | int]:
    """Return best_fold (from 1, the first in a tie), best, mean and sample standard_deviation of K >= 2 folds."""
    return {
        "best_fold": int(np.argmax(values)) + 1,
        "best": float(max(values)),
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
    }


def hierarchy_metrics(predictions: Predictions) -> dict[str, Any] | None:
    """Return the report's key "hierarchy"; None where article types, or the categories above them, are not predicted.

    contradictions: the share of images of which two heads cannot both be right; None with one head. accuracy: level ->
    rows, and the accuracy of the head of that level (separate; None without one) and of the joint prediction.
    """
    try:
        joint = predictions.joint()
    except InputError:
        return None
    heads = {name: predictions.group(name) for name in LEVELS if name in predictions.group_names}
    # Heads are ordered from the leaf up: each path begins with those above it, or contradicts them.
    images = zip(*(_paths(head, head.codes) for head in heads.values()), strict=True)
    wrong = [any(low[: len(high)] != high for low, high in combinations(image, 2)) for image in images]
    return {
        "contradictions": float(np.mean(wrong)) if len(heads) > 1 else None,
        "accuracy": {name: _level_accuracy(name, heads, joint) for name in joint.levels},
    }


def _level_accuracy(name: str, heads: Mapping[str, Predictions], joint: HierarchicalPredictions) -> dict[str, Any]:
    own, leaf, level = heads.get(name), heads[LEVELS[0]], joint.levels[name]
    if own is not None:
        truth = _paths(own, own.true_codes)
    else:
        codes = np.where(leaf.true_codes >= 0, level.codes[leaf.true_codes], -1)
        truth = [level.paths[code] if code >= 0 else () for code in codes]
    return {
        "rows": sum(path != () for path in truth),
        "separate": None if own is None else _agreement(_paths(own, own.codes), truth),
        "joint": _agreement(joint.paths(name), truth),
    }


def _agreement(predicted: list[ClassPath], truth: list[ClassPath]) -> float | None:
    """Return the share of known paths that are predicted; None where none is known."""
    pairs = [(path, true) for path, true in zip(predicted, truth, strict=True) if true]
    return sum(path == true for path, true in pairs) / len(pairs) if pairs else None


def _paths(head: Predictions, codes: Counts) -> list[ClassPath]:
    """Return the class paths of codes [n], () for -1."""
    return [head.groups[0].paths[code] if code >= 0 else () for code in codes]


def _group_report(
    head: Predictions, train_counts: TrainCounts, known: KnownCounts, product_groups: Counts
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
        rows = _label_rows(head, positives, classification.head_mid_tail)
    else:
        rows = _label_rows(head, positives)
        test = _multi_valued_test(head, rows, product_groups)
    return report | {"test": test, "per_class": rows, "by_frequency": classification.by_class_frequency(rows)}


def _multi_valued_test(head: Predictions, rows: Sequence[Mapping[str, Any]], product_groups: Counts) -> dict[str, Any]:
    truth = head.true_labels
    summary = multilabel.summary(truth, truth >= 0, head.predicted_labels, product_groups)
    right, known = _right_and_known(head)
    return {
        "accuracy": float(right.sum() / known.sum()),
        "accuracy_ci95": mean_accuracy_interval(right[:, None], known[:, None], product_groups),
        "top_3": None,
        "macro_f1": summary["macro"]["f1"],
        "ece": classification.expected_calibration_error(*confidence_and_correct(head)),
        "mean_average_precision": validation.mean_or_none([row["average_precision"] for row in rows]),
        **summary,
    }


def _right_and_known(head: Predictions) -> tuple[Counts, Counts]:
    """Return how many labels of each image in one group are predicted correctly, and how many are known: two [n]."""
    if head.groups[0].kind == "single":
        return (head.known & (head.codes == head.true_codes)).astype(int), head.known.astype(int)
    known = head.true_labels >= 0
    return (known & (head.predicted_labels == head.true_labels)).sum(axis=1), known.sum(axis=1)


def _label_rows(head: Predictions, positives: Counts, frequency: Frequency = multilabel.terciles) -> list[dict]:
    cells = head.true_labels, head.true_labels >= 0, head.probabilities, head.predicted_labels
    return multilabel.per_label(*cells, head.classes, positives, frequency)


def _label_scores(predictions: Predictions, product_groups: Counts) -> dict[str, Any]:
    truth, shares = predictions.true_labels, predictions.probabilities
    known, count = truth >= 0, truth.shape[1]
    top = multilabel.top_n(shares, min(multilabel.GUO2019_LABELS, count))
    columns = {name: np.arange(count)[part] for name, part in group_slices(predictions.groups).items()}
    scores = {"mean_average_precision": validation.mean_or_none(multilabel.average_precisions(truth, known, shares))}
    for name, decisions in {"given": predictions.predicted_labels, "top_8": top}.items():
        scores[name] = multilabel.summary(truth, known, decisions, product_groups)
        scores[name]["groups"] = multilabel.group_f1(truth, known, decisions, columns)
    return scores


def _overall(predictions: Predictions, groups: Mapping[str, dict[str, Any]], product_groups: Counts) -> dict[str, Any]:
    scored = [group for group in predictions.groups if groups[group.name]["test"]]
    scored = [group for group in scored if group.kind == "single"] or scored
    tests = [groups[group.name]["test"] for group in scored]
    if len(predictions.groups) == 1:
        return tests[0]
    counts = (_right_and_known(predictions.group(group.name)) for group in scored)
    right, known = (np.stack(columns, axis=1) for columns in zip(*counts, strict=True))
    means = {name: validation.mean_or_none([test.get(name) for test in tests]) for name in _MEANS}
    return means | {"accuracy_ci95": mean_accuracy_interval(right, known, product_groups)}
