"""What a run is judged by, as values, a Parquet file and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.evaluation.metrics import calibration, classification, intervals, retrieval
from fashion_keras.evaluation.plots import charts, labels
from fashion_keras.images.decode import ImageSpec, decode_batch
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.atomic_files import atomic_write

_MISTAKES = 40


def compute_metrics(predictions: Predictions, train_counts: NDArray[np.int64]) -> dict[str, Any]:
    """Return the report's keys "test", "per_class" and "by_frequency".

    Args:
        predictions: of n images, truth included.
        train_counts [k] int64: training images per class, which make it head, mid or tail.
    """
    rows = classification.per_class(predictions.truth, predictions.probabilities, predictions.classes, train_counts)
    return {
        "test": classification.summary(predictions.truth, predictions.probabilities),
        "per_class": rows,
        "by_frequency": classification.by_class_frequency(rows),
    }


def retrieval_scores(vectors: NDArray[np.float32], catalog: Catalog, seed: int = 0) -> dict[str, retrieval.Score]:
    """Return how well vectors [n, d] find alike products of a catalogue of n; see `retrieval.encoder_scores`.

    A column that the catalogue lacks agrees with nothing: its scores have no value.
    """
    missing = np.full(len(catalog), "")
    columns = {name: catalog.columns.get(name, missing) for name in retrieval.COLUMNS}
    return retrieval.encoder_scores(vectors, columns, catalog.product_groups, seed)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one row per image: id, truth, predicted, confidence, probabilities [k] in the order of the classes."""
    codes = predictions.probabilities.argmax(axis=1)
    table = pa.table(
        {
            "id": predictions.ids,
            "truth": [predictions.classes[code] for code in predictions.truth],
            "predicted": predictions.names,
            "confidence": predictions.probabilities[np.arange(len(codes)), codes],
            "probabilities": list(predictions.probabilities),
        }
    )
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)


def read_probabilities(path: Path) -> NDArray[np.float32]:
    """Return the probabilities [n, k] that `write_predictions` wrote of n images."""
    return np.array(pq.read_table(path)["probabilities"].to_pylist(), np.float32)


def plot_report(folder: Path, predictions: Predictions, paths: Sequence[str], spec: ImageSpec) -> None:
    """Draw confusion.png, precision_recall.png, class_accuracy.png, reliability.png and, if any, mistakes.png.

    Args:
        folder: receives the figures.
        predictions: of n images, truth included.
        paths: n image files.
        spec: how they are shown.
    """
    truth, probabilities, classes = predictions.truth, predictions.probabilities, predictions.classes
    counts = classification.confusion_matrix(truth, probabilities.argmax(axis=1), len(classes))
    charts.confusion(folder / "confusion.png", counts, classes)
    recall, support = classification.precision_recall_f1(counts)[1], counts.sum(axis=1)
    interval = intervals.clopper_pearson_interval(np.diag(counts), support)
    charts.class_accuracy(folder / "class_accuracy.png", classes, recall, support, interval)
    right = probabilities.argmax(axis=1) == truth
    draw_reliability(folder / "reliability.png", predictions.group.name, probabilities.max(axis=1), right)
    curves = [curve(name, truth == code, probabilities[:, code]) for code, name in enumerate(classes)]
    micro = curve("", np.eye(len(classes), dtype=bool)[truth].ravel(), probabilities.ravel())
    charts.precision_recall(folder / "precision_recall.png", curves, micro[1:])
    worst = classification.most_confident_mistakes(truth, probabilities, _MISTAKES)
    if len(worst):
        captions = [
            f"{predictions.ids[row]}  {probabilities[row].max():.0%}\nis {classes[truth[row]]}\nsaid {said}"
            for row, said in zip(worst, np.array(predictions.names)[worst], strict=True)
        ]
        pictures = decode_batch([paths[row] for row in worst], spec)
        charts.contact_sheet(folder / "mistakes.png", list(pictures), captions, title="The most confident mistakes")


def draw_reliability(path: Path, name: str, confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> None:
    """Draw how often answers of some confidence [n] to a task are right [n]."""
    error = classification.expected_calibration_error(confidence, right)
    labels.reliability(path, name, *calibration.reliability(confidence, right), error)


def curve(name: str, relevant: NDArray[np.bool_], values: NDArray[np.float32]) -> charts.Curve:
    """Return the precision-recall curve of values [n], with its name and average precision."""
    precision, recall, _ = classification.precision_recall_curve(relevant, values)
    return name, precision, recall, classification.average_precision(relevant, values)
