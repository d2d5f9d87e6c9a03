"""Files of a report: predictions.parquet, and the figures of each group of labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import calibration, classification, intervals, multilabel
from fashion_keras.evaluation.plots.bars import plot_class_accuracy, plot_labels_per_image
from fashion_keras.evaluation.plots.confusion import plot_co_occurrence, plot_confusion
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.curves import plot_precision_recall, plot_reliability
from fashion_keras.evaluation.plots.style import context
from fashion_keras.evaluation.reports.calibration import confidence_and_correct
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.atomic_files import atomic_write, safe_file_name
from fashion_keras.support.errors import InputError, reraise_shortage

PREDICTIONS = "predictions.parquet"
_MISTAKES = 40

# Run and data, for the titles of figures.
Origin = dict[str, str]


def write_predictions(folder: Path, predictions: Predictions) -> None:
    """Write predictions.parquet: one row per image, with the columns of `Predictions.to_columns`."""
    with atomic_write(folder / PREDICTIONS) as temporary:
        pq.write_table(pa.table(predictions.to_columns()), temporary)


def read_probabilities(folder: Path) -> NDArray[np.float32]:
    """Return the probabilities [n, K] in predictions.parquet, group after group; InputError for a damaged file."""
    path = folder / PREDICTIONS
    try:
        table = pq.read_table(path)
        names = [name for name in table.column_names if name.rpartition(".")[2] == "probabilities"]
        return np.concatenate([np.array(table[name].to_pylist(), np.float32) for name in names], axis=1)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not the predictions of this run ({str(error)[:200]}); train it again") from None


def plot_report(
    folder: Path, predictions: Predictions, paths: Sequence[str], spec: ImageSpec, run: str = "", data: str = ""
) -> None:
    """Draw the figures of each group, of one group into `folder`, of several each into a folder of its own.

    Several groups have co_occurrence.png and labels_per_image.png in `folder` (guo2019, figs. 3 and 2). `predictions`
    are of n images at `paths`, truth included; `spec` is the size of mistakes; `run` is "" where it is `folder`;
    `data` names the catalog in the titles.
    """
    origin = {"run": run or str(folder), "data": data}
    if len(predictions.groups) > 1:
        _plot_all_labels(folder, predictions, origin)
    for head in predictions.split():
        home = folder / safe_file_name(head.groups[0].name) if len(predictions.groups) > 1 else folder
        known = head.known
        if not known.any():
            continue
        head = head.take(known)
        _plot_confidence(home, head, origin)
        if head.groups[0].kind == "single":
            _plot_single_valued(home, head, origin)
            _plot_mistakes(home, head, np.asarray(paths)[known], spec, origin)


def _plot_all_labels(folder: Path, predictions: Predictions, origin: Origin) -> None:
    truth = predictions.true_labels
    known = truth >= 0
    names = [name for group in predictions.groups for name in group.classes]
    counts = multilabel.co_occurrence(truth, known)
    plot_co_occurrence(folder / "co_occurrence.png", counts, names, len(truth), **origin)
    decisions = {"true": truth, "predicted": predictions.predicted_labels}
    parts = {name: multilabel.labels_per_image(values, known) for name, values in decisions.items()}
    plot_labels_per_image(folder / "labels_per_image.png", parts, **origin)


def _plot_confidence(folder: Path, head: Predictions, origin: Origin) -> None:
    """Draw precision_recall.png and reliability.png."""
    truth, shares, task = head.true_labels, head.probabilities, head.groups[0].name
    known = truth >= 0
    areas = multilabel.average_precisions(truth, known, shares)
    relevant, scores = truth[known] == 1, shares[known]
    precision, recall, _ = classification.precision_recall_curve(relevant, scores)
    micro = precision, recall, classification.average_precision(relevant, scores)
    plot_precision_recall(
        folder / "precision_recall.png", head.classes, areas, micro, task, images=len(truth), **origin
    )
    confidence, correct = confidence_and_correct(head)
    error = classification.expected_calibration_error(confidence, correct)
    bins = calibration.reliability(confidence, correct)
    plot_reliability(folder / "reliability.png", task, *bins, error, **origin)


def _plot_single_valued(folder: Path, head: Predictions, origin: Origin) -> None:
    """Draw confusion.png and class_accuracy.png."""
    classes, task = head.classes, head.groups[0].name
    counts = classification.confusion_matrix(head.true_codes, head.codes, len(classes))
    plot_confusion(folder / "confusion.png", counts, classes, task, **origin)
    recall, support = classification.precision_recall_f1(counts)[1], counts.sum(axis=1)
    interval = intervals.clopper_pearson_interval(np.diag(counts), support)
    plot_class_accuracy(folder / "class_accuracy.png", classes, recall, support, interval, task, **origin)


def _plot_mistakes(folder: Path, head: Predictions, paths: Sequence[str], spec: ImageSpec, origin: Origin) -> None:
    """Draw mistakes.png, if there is any."""
    worst = classification.most_confident_mistakes(head.true_codes, head.probabilities, _MISTAKES)
    if not len(worst):
        return
    mistakes = head.take(worst)
    columns = mistakes.ids, mistakes.probabilities.max(axis=1), mistakes.true_codes, mistakes.names
    captions = [
        f"true: {head.classes[code]}\npredicted: {name}\nconfidence {confidence:.0%}, id {product}"
        for product, confidence, code, name in zip(*columns, strict=True)
    ]
    images = decode_batch([paths[row] for row in worst], spec)
    title = f"The {len(worst)} most confident mistakes"
    note = context(head.groups[0].name, images=len(head.ids), **origin)
    contact_sheet(folder / "mistakes.png", list(images), captions, title=title, note=note)
