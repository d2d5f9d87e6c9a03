"""What a run is judged by, whatever kind of run it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation import group_reports, reports
from fashion_keras.evaluation.hierarchy import hierarchy
from fashion_keras.evaluation.per_product import per_product
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.classifier import Said
from fashion_keras.models.predictions import Predictions


def scores(said: Said, origin: Mapping[str, Any], groups: NDArray[np.int64]) -> dict[str, Any]:
    """Return what the report says of predictions, truth included.

    Args:
        said: of n images.
        origin: what the run learnt from, as in its origin.json.
        groups [n] int64: title groups; images of one show one product.
    """
    positives = np.array(origin["train_counts"])
    if isinstance(said, Predictions):
        products = per_product(said.truth, said.probabilities, groups)
        return reports.scores(said, positives) | {"per_product": products} | hierarchy(said)
    return group_reports.scores(said, positives, origin["known"]) | hierarchy(said)


def write(folder: Path, said: Said, paths: Sequence[str], spec: ImageSpec) -> None:
    """Write predictions.parquet and the figures of n predictions, truth included, of the image files `paths`."""
    kind = reports if isinstance(said, Predictions) else group_reports
    kind.write_predictions(folder / "predictions.parquet", said)
    kind.draw(folder, said, paths, spec)
