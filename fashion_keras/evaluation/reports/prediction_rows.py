"""Rows of predictions.parquet: truth, prediction and confidence of each image in a single-valued group."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fashion_keras.evaluation.reports.report import Scores
from fashion_keras.evaluation.reports.write import PREDICTIONS
from fashion_keras.support.errors import InputError, reraise_shortage


@dataclass(frozen=True)
class PredictionRows:
    """Predictions of one single-valued group for n images whose truth is known.

    Attributes:
        ids, truth, predicted [n] object: image ids; class names.
        confidence [n], probabilities [n, k] float32: of the predicted class; of all k `classes`.
    """

    classes: tuple[str, ...]
    ids: NDArray[np.object_]
    truth: NDArray[np.object_]
    predicted: NDArray[np.object_]
    confidence: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def right(self) -> NDArray[np.bool_]:
        """[n] bool: whether the prediction is the truth."""
        return self.truth == self.predicted

    def take(self, rows: NDArray[np.generic]) -> "PredictionRows":
        """Return the rows at these places, numbers or a mask."""
        columns = (self.ids, self.truth, self.predicted, self.confidence, self.probabilities)
        return PredictionRows(self.classes, *(column[rows] for column in columns))

    def in_top(self, k: int) -> NDArray[np.bool_]:
        """Return [n] bool: whether the truth is among the k most probable classes."""
        if not len(self):
            return np.zeros(0, bool)
        best = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return (np.array(self.classes, object)[best] == self.truth[:, None]).any(axis=1)

    def worst(self, count: int) -> NDArray[np.int64]:
        """Return the rows of at most `count` wrong predictions, the most confident first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:count]


def read_prediction_rows(folder: Path, scores: Scores) -> dict[str, PredictionRows]:
    """Read predictions.parquet: single-valued group -> its rows; `scores` are those of the report beside it.

    InputError for a missing or damaged file, or one of other groups than the report's.
    """
    path = folder / PREDICTIONS
    if not path.is_file():
        raise InputError(f"{path}: no such file, though the run has a report; train it again")
    names = [name for name, group in scores.groups.items() if group["kind"] == "single"]
    try:
        table = pq.read_table(path)
        ids = np.array([str(name) for name in table["id"].to_pylist()], object)
        prefix = {name: f"{name}." if len(scores.groups) > 1 else "" for name in names}
        return {name: _rows(table, ids, prefix[name], tuple(scores.groups[name]["classes"])) for name in names}
    except (pa.ArrowException, KeyError, OSError, ValueError, TypeError) as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not the predictions of this run ({error}); train it again") from None


def _rows(table: pa.Table, ids: NDArray[np.object_], prefix: str, classes: tuple[str, ...]) -> PredictionRows:
    truth, predicted, confidence, shares = (
        table[f"{prefix}{name}"].to_pylist() for name in ("truth", "predicted", "confidence", "probabilities")
    )
    known = np.array([name is not None for name in truth], bool)
    probabilities = np.array(shares, np.float32).reshape(len(ids), len(classes))
    names = (np.array(column, object) for column in (truth, predicted))
    return PredictionRows(classes, ids, *names, np.array(confidence, np.float32), probabilities).take(known)
