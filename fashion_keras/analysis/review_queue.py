"""Review queue: labels of a catalog that contradict its images, other labels, or the heads of a tagger or run."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.label_audit import duplicate_pairs, out_of_fold
from fashion_keras.analysis.review import ABSTAINED, DUPLICATE, LOW_MARGIN, MISLABELLED, ReviewItem, ReviewQueue
from fashion_keras.catalog.attributes import AttributeGroup, parse_task
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import SKU
from fashion_keras.catalog.corrections import reviewed_labels
from fashion_keras.catalog.label_sources import ColumnSource, LabelSource, PathSource
from fashion_keras.catalog.tasks import get_task
from fashion_keras.evaluation.metrics import label_issues
from fashion_keras.evaluation.metrics.label_issues import LOW_CONFIDENCE, NEAR_DUPLICATE, SAME_TITLE, LabelIssue
from fashion_keras.evaluation.metrics.multilabel import at_least
from fashion_keras.features.runtime import load_classifier
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")

MIN_IMAGES, FOLDS = 20, 5  # of a class whose labels are audited; smaller ones are not
LOW_MARGIN_BELOW = 0.2
_ALTERNATIVES = 3

Floats, Features, Integers = NDArray[np.float64], NDArray[np.float32], NDArray[np.int64]
Ranked = tuple[float, ReviewItem]  # usefulness, comparable within a kind


@dataclass(frozen=True)
class HeadPredictions:
    """Predictions of a single-valued head for the p products of a catalog, in the order in which their SKUs appear.

    Attributes:
        column: of the catalog, that holds the label.
        classes: k labels.
        probabilities [p, k].
        accepted [p] bool: the products that have the attribute.
        thresholds [k]: probability from which on a label is released; None for a head that always predicts one.
    """

    column: str
    classes: tuple[str, ...]
    probabilities: NDArray[np.floating]
    accepted: NDArray[np.bool_]
    thresholds: Floats | None = None


@dataclass(frozen=True)
class _AuditedLabels:
    """Labels of one column on m rows of a catalog: codes [m], and out-of-fold probabilities [m, k]."""

    column: str
    rows: Integers
    codes: Integers
    classes: tuple[str, ...]
    probabilities: Floats


def assemble_queue(
    catalog: Catalog,
    features: Features,
    heads: Sequence[HeadPredictions] = (),
    tasks: Sequence[str] = (),
    corrections: str | Path | None = None,
    top: int | None = None,
    seed: int = 0,
) -> ReviewQueue:
    """Return the labels of a catalog to review, in order of usefulness; those reviewed in `corrections` are left out.

    Args:
        catalog: of n images that can be read, with corrections applied.
        features [n, d]: embeddings of length 1.
        heads: predictions, for abstained and low-margin items.
        tasks: single-valued tasks whose labels are audited; those that the catalog lacks or cannot train are left out.
        corrections: file of decisions; it may not be there yet.
        top: at most so many items of each kind.
        seed: of the folds.
    """
    pairs = duplicate_pairs(catalog.paths.tolist(), features, catalog.skus)
    audited = [labels for task in tasks if (labels := _audit(catalog, features, get_task(task), seed)) is not None]
    ranked = chain(
        *(_issue_items(catalog, labels, pairs) for labels in audited),
        _same_product_items(catalog, pairs),
        *(_head_items(catalog, head) for head in heads),
    )
    reviewed = reviewed_labels(corrections) if corrections else set()
    items = [item for _, item in sorted(ranked, key=lambda pair: -pair[0])]
    return ReviewQueue.of((item for item in items if (item.sku, item.attribute) not in reviewed), top)


def run_predictions(run: str | Path, catalog: Catalog) -> list[HeadPredictions]:
    """Return the predictions of a classifier's single-valued heads whose columns a catalog has, by all its images."""
    classifier = load_classifier(run)
    predictions = classifier.predict(catalog.paths, catalog.image_ids)
    product = product_numbers(catalog.skus)
    heads = []
    for part in predictions.split():
        (group,) = part.groups
        (source,) = (named.source for named in parse_task(group.name))
        column = label_column(source, catalog)
        if column and group.kind == "single":
            sums = np.zeros((product.max() + 1, len(group.classes)))
            np.add.at(sums, product, part.probabilities)
            shares = sums / np.bincount(product)[:, None]
            classes = tuple(path[-1] for path in group.paths)
            heads.append(HeadPredictions(column, classes, shares, np.ones(len(shares), bool)))
    return heads


def label_column(source: LabelSource, catalog: Catalog) -> str:
    """Return the standard name of the one column that holds the labels of a source; "" where there is none."""
    if isinstance(source, PathSource | ColumnSource) and not getattr(source, "joined", False):
        name = source.columns[-1]
        return catalog.columns.name_of(name) if name in catalog.columns else ""
    return ""


def product_numbers(skus: NDArray[np.str_]) -> Integers:
    """Return [n]: the number of each image's product, 0.. in the order in which SKUs appear."""
    _, first, product = np.unique(skus, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[product]


def _audit(catalog: Catalog, features: Features, task: AttributeGroup, seed: int) -> _AuditedLabels | None:
    """Return the labels of a task with out-of-fold probabilities; None, which is logged, where it has too few."""
    column = label_column(task.source, catalog)
    try:
        if not column:
            raise InputError(f"the catalog has no column of {task.name}")
        targets = task.encode(catalog.columns, MIN_IMAGES)
    except InputError as error:
        log.info("labels of %s are not audited: %s", task.name, error)
        return None
    products = [len(np.unique(catalog.product_groups[targets.codes == code])) for code in range(len(targets.classes))]
    rows = np.flatnonzero((targets.codes >= 0) & (np.array(products)[targets.codes] >= FOLDS))
    present, codes = np.unique(targets.codes[rows], return_inverse=True)
    if len(present) < 2:
        log.info("labels of %s are not audited: fewer than two of them have %d products", task.name, FOLDS)
        return None
    probabilities = out_of_fold(features[rows], codes, catalog.product_groups[rows], FOLDS, seed)
    paths = targets.groups[0].paths
    return _AuditedLabels(column, rows, codes, tuple(paths[code][-1] for code in present), probabilities)


def _issue_items(catalog: Catalog, labels: _AuditedLabels, pairs: Integers) -> Iterator[Ranked]:
    """Yield the labels of one column that are likely wrong, or contradict a near-duplicate's."""
    place = np.full(len(catalog), -1)
    place[labels.rows] = np.arange(len(labels.rows))
    own = place[pairs][(place[pairs] >= 0).all(axis=1)].reshape(-1, 2)
    scored = labels.probabilities, labels.codes
    same_title = label_issues.pairs_within(catalog.product_groups[labels.rows])
    issues = label_issues.rank_issues(
        label_issues.conflicting_pairs(own, *scored, NEAR_DUPLICATE)
        + label_issues.conflicting_pairs(same_title, *scored, SAME_TITLE)
        + label_issues.low_self_confidence(*scored)
    )
    for issue in issues:
        row, current = labels.rows[issue.row], labels.classes[labels.codes[issue.row]]
        suggested = labels.classes[issue.suggested]
        if suggested != current:  # else classes of one name below different categories
            alternatives = _ranked_labels(labels.classes, labels.probabilities[issue.row])
            other = () if issue.other is None else (str(catalog.image_ids[labels.rows[issue.other]]),)
            yield issue.score, ReviewItem(
                kind=DUPLICATE if issue.reason == NEAR_DUPLICATE else MISLABELLED, sku=str(catalog.skus[row]),
                image_id=str(catalog.image_ids[row]), attribute=labels.column, current=current, suggested=suggested,
                confidence=round(_confidence(labels, issue), 4), alternatives=alternatives,
                reason=_issue_reason(labels, issue, suggested, other), others=other,
            )  # fmt: skip


def _confidence(labels: _AuditedLabels, issue: LabelIssue) -> float:
    is_prediction = issue.reason == LOW_CONFIDENCE
    return float(labels.probabilities[issue.row, issue.suggested]) if is_prediction else issue.score


def _issue_reason(labels: _AuditedLabels, issue: LabelIssue, suggested: str, other: Sequence[str]) -> str:
    if issue.reason == LOW_CONFIDENCE:
        share = labels.probabilities[issue.row, labels.codes[issue.row]]
        return f"a classifier trained on the other products gives this label a probability of {share:.3f}"
    relation = "near-duplicate image" if issue.reason == NEAR_DUPLICATE else "image of the same title"
    return f"{relation} {other[0]} is labeled {suggested}"


def _same_product_items(catalog: Catalog, pairs: Integers) -> Iterator[Ranked]:
    """Yield the second of two products that show one image and are not known to be the same."""
    for first, second in pairs.tolist():
        if catalog.product_groups[first] != catalog.product_groups[second]:
            sku, other = str(catalog.skus[second]), str(catalog.image_ids[first])
            yield 0.0, ReviewItem(
                kind=DUPLICATE, sku=sku, image_id=str(catalog.image_ids[second]), attribute=SKU, current=sku,
                suggested=str(catalog.skus[first]), confidence=None,
                reason=f"near-duplicate image {other} is of another product", others=(other,),
            )  # fmt: skip


def _head_items(catalog: Catalog, head: HeadPredictions) -> Iterator[Ranked]:
    """Yield the products for which a head releases no label, and those of two labels about as likely."""
    first = np.unique(product_numbers(catalog.skus), return_index=True)[1]
    current = as_text(catalog.columns[head.column])[first].tolist()
    order = np.argsort(-head.probabilities, axis=1, kind="stable")
    for product in np.flatnonzero(head.accepted).tolist():
        shares, best, second = head.probabilities[product], *order[product, :2].tolist()
        label, confidence, margin = head.classes[best], float(shares[best]), float(shares[best] - shares[second])
        threshold = None if head.thresholds is None else head.thresholds[best]
        if threshold is not None and not at_least(shares[best], threshold):
            kind, usefulness = ABSTAINED, confidence + (current[product] not in ("", label))
            limit = f"below its threshold of {threshold:.3f}" if np.isfinite(threshold) else "and is never released"
            reason = f"{label} has a probability of {confidence:.3f}, {limit}"
        elif margin < LOW_MARGIN_BELOW:
            kind, usefulness = LOW_MARGIN, 1 - margin
            reason = f"{label} and {head.classes[second]} are {margin:.3f} apart in probability"
        else:
            continue
        yield usefulness, ReviewItem(
            kind=kind, sku=str(catalog.skus[first[product]]), image_id=str(catalog.image_ids[first[product]]),
            attribute=head.column, current=current[product], suggested=label, confidence=round(confidence, 4),
            alternatives=_ranked_labels(head.classes, shares), reason=reason,
        )  # fmt: skip


def _ranked_labels(classes: Sequence[str], probabilities: NDArray[np.floating]) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-probabilities, kind="stable")[:_ALTERNATIVES].tolist()
    return tuple((classes[code], round(float(probabilities[code]), 4)) for code in order)
