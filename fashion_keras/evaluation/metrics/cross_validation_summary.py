"""Cross-validation summary: best fold, mean and standard deviation of each score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def summarize_folds(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, dict[str, float | int]]:
    """Return the `fold_statistics` of each named score that every row has."""
    values = {name: [row.get(name) for row in rows] for name in names}
    return {name: fold_statistics(scores) for name, scores in values.items() if None not in scores}


def fold_statistics(values: Sequence[float]) -> dict[str, float | int]:
    """Return best_fold (from 1, the first in a tie), best, mean and standard_deviation of a score in K >= 2 folds.

    The deviation is that of a sample (K - 1 in the denominator): these are a few of the folds there could be.

    >>> fold_statistics([0.5, 1.0, 0.75])
    {'best_fold': 2, 'best': 1.0, 'mean': 0.75, 'standard_deviation': 0.25}
    """
    return {
        "best_fold": int(np.argmax(values)) + 1,
        "best": float(max(values)),
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
    }
