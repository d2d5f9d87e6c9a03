"""What a run is judged by, whatever kind of run it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.per_product import per_product
from fashion_keras.evaluation.reports import multihead, single_head
from fashion_keras.evaluation.reports.hierarchy_report import hierarchy_metrics
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.classifier import AnyPredictions
from fashion_keras.models.predictions import Predictions


def compute_metrics(said: AnyPredictions, origin: Mapping[str, Any], groups: NDArray[np.int64]) -> dict[str, Any]:
    """Return what the report says of predictions, truth included.

    Args:
        said: of n images.
        origin: what the run learnt from, as in its origin.json.
        groups [n] int64: title groups; images of one show one product.
    """
    positives = np.array(origin["train_counts"])
    if isinstance(said, Predictions):
        products = per_product(said.truth, said.probabilities, groups)
        return single_head.compute_metrics(said, positives) | {"per_product": products} | hierarchy_metrics(said)
    return multihead.compute_metrics(said, positives, origin["known"]) | hierarchy_metrics(said)


def write_predictions_and_plots(folder: Path, said: AnyPredictions, paths: Sequence[str], spec: ImageSpec) -> None:
    """Write predictions.parquet and the figures of n predictions, truth included, of the image files `paths`."""
    kind = single_head if isinstance(said, Predictions) else multihead
    kind.write_predictions(folder / "predictions.parquet", said)
    kind.plot_report(folder, said, paths, spec)
