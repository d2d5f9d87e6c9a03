"""Files of a report: predictions.parquet, and the figures of each group of labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import calibration, classification, intervals, multilabel
from fashion_keras.evaluation.plots import charts, labels
from fashion_keras.evaluation.reports.calibration import confidence_and_correct
from fashion_keras.images.decode import ImageSpec, decode_batch
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.atomic_files import atomic_write, safe_file_name

PREDICTIONS = "predictions.parquet"
_MISTAKES = 40


def write_predictions(folder: Path, predictions: Predictions) -> None:
    """Write predictions.parquet: one row per image, with the columns of `Predictions.to_columns`."""
    with atomic_write(folder / PREDICTIONS) as temporary:
        pq.write_table(pa.table(predictions.to_columns()), temporary)


def read_probabilities(folder: Path) -> NDArray[np.float32]:
    """Return the probabilities [n, K] in predictions.parquet, group after group."""
    table = pq.read_table(folder / PREDICTIONS)
    names = [name for name in table.column_names if name.rpartition(".")[2] == "probabilities"]
    return np.concatenate([np.array(table[name].to_pylist(), np.float32) for name in names], axis=1)


def plot_report(folder: Path, predictions: Predictions, paths: Sequence[str], spec: ImageSpec) -> None:
    """Draw the figures of each group, of one group into `folder`, of several each into a folder of its own.

    Several groups have co_occurrence.png and labels_per_image.png in `folder` (guo2019, figs. 3 and 2).

    Args:
        folder: receives the figures.
        predictions: of n images, truth included.
        paths: n image files.
        spec: how the images of mistakes are shown.
    """
    if len(predictions.groups) > 1:
        _plot_all_labels(folder, predictions)
    for head in predictions.split():
        home = folder / safe_file_name(head.groups[0].name) if len(predictions.groups) > 1 else folder
        known = head.known
        if not known.any():
            continue
        plot = _plot_single_valued if head.groups[0].kind == "single" else _plot_multi_valued
        plot(home, head.take(known), np.asarray(paths)[known], spec)


def _plot_all_labels(folder: Path, predictions: Predictions) -> None:
    truth = predictions.true_labels
    counts = multilabel.co_occurrence(truth, truth >= 0)
    names = [name for group in predictions.groups for name in group.classes]
    labels.co_occurrence(folder / "co_occurrence.png", counts, names)
    decisions = {"true": truth, "predicted": predictions.predicted_labels}
    parts = {name: multilabel.labels_per_image(values, truth >= 0) for name, values in decisions.items()}
    labels.labels_per_image(folder / "labels_per_image.png", parts)


def _plot_single_valued(folder: Path, head: Predictions, paths: Sequence[str], spec: ImageSpec) -> None:
    """Draw confusion.png, class_accuracy.png, precision_recall.png, reliability.png and, if any, mistakes.png."""
    truth, probabilities, classes = head.true_codes, head.probabilities, head.classes
    counts = classification.confusion_matrix(truth, head.codes, len(classes))
    charts.confusion(folder / "confusion.png", counts, classes)
    recall, support = classification.precision_recall_f1(counts)[1], counts.sum(axis=1)
    interval = intervals.clopper_pearson_interval(np.diag(counts), support)
    charts.class_accuracy(folder / "class_accuracy.png", classes, recall, support, interval)
    curves = [_curve(name, truth == code, probabilities[:, code]) for code, name in enumerate(classes)]
    _plot_curves(folder, curves, np.eye(len(classes), dtype=bool)[truth].ravel(), probabilities.ravel())
    _plot_reliability(folder, head)
    _plot_mistakes(folder, head, paths, spec)


def _plot_multi_valued(folder: Path, head: Predictions, paths: Sequence[str], spec: ImageSpec) -> None:
    """Draw precision_recall.png and reliability.png."""
    truth, shares, classes = head.true_labels, head.probabilities, head.classes
    known = truth >= 0
    curves = [
        _curve(classes[code], truth[known[:, code], code] == 1, shares[known[:, code], code])
        for code in np.flatnonzero((truth == 1).any(axis=0))
    ]
    _plot_curves(folder, curves, truth[known] == 1, shares[known])
    _plot_reliability(folder, head)


def _plot_mistakes(folder: Path, head: Predictions, paths: Sequence[str], spec: ImageSpec) -> None:
    worst = classification.most_confident_mistakes(head.true_codes, head.probabilities, _MISTAKES)
    if not len(worst):
        return
    mistakes = head.take(worst)
    captions = [
        f"{product}  {confidence:.0%}\ntrue {head.classes[code]}\npredicted {name}"
        for product, confidence, code, name in zip(
            mistakes.ids, mistakes.probabilities.max(axis=1), mistakes.true_codes, mistakes.names, strict=True
        )
    ]
    images = decode_batch([paths[row] for row in worst], spec)
    charts.contact_sheet(folder / "mistakes.png", list(images), captions, title="The most confident mistakes")


def _plot_curves(
    folder: Path, curves: Sequence[charts.Curve], relevant: NDArray[np.bool_], scores: NDArray[np.float32]
) -> None:
    charts.precision_recall(folder / "precision_recall.png", curves, _curve("", relevant, scores)[1:])


def _plot_reliability(folder: Path, head: Predictions) -> None:
    confidence, correct = confidence_and_correct(head)
    error = classification.expected_calibration_error(confidence, correct)
    bins = calibration.reliability(confidence, correct)
    labels.reliability(folder / "reliability.png", head.groups[0].name, *bins, error)


def _curve(name: str, relevant: NDArray[np.bool_], scores: NDArray[np.float32]) -> charts.Curve:
    """Return the precision-recall curve of scores [n], with its name and average precision."""
    precision, recall, _ = classification.precision_recall_curve(relevant, scores)
    return name, precision, recall, classification.average_precision(relevant, scores)
